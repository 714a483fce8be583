"""Language models that read prompts: their tokenizers, what builds them from a file, and how they are run."""
