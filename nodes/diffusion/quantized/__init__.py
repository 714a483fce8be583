"""Weights of few bits, as files in use have them: how their bytes are read, and what numbers they are."""
