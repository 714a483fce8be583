"""Language models that read prompts: their tokenizers, what builds them from a file, and how they are run."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
