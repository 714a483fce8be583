"""The model manifest: a list of the model files that a deployment needs, fetched and checked by their hashes."""
