"""Model families: a folder each, found by itself. What is in this package but not in a folder names no family.

``docs/architecture.md`` tells how a family is written. Declaring one is light: neither torch nor diffusers is imported
before a part of a family (its ``denoiser.py``, ``text.py`` ...) is first asked for.
"""
