"""``node_helpers``: small things that nodes share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any


def conditioning_set_values(conditioning: Any, values: dict[str, Any] | None = None, append: bool = False) -> Any:
    """Each pair with values put into its options; with ``append`` behind those of lists that are there."""
    made = []
    for context, options in conditioning:
        changed = dict(options)
        for key, value in (values or {}).items():
            before = changed.get(key)
            changed[key] = [*before, *value] if append and isinstance(before, list) else value
        made.append([context, changed])
    return made


def pillow(function: Callable[..., Any], argument: Any) -> Any:
    """Call Pillow; also for files that are cut short."""
    from PIL import ImageFile

    try:
        return function(argument)
    except (OSError, SyntaxError):
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            return function(argument)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher() -> Any:
    """The hash that files are compared by."""
    return hashlib.sha256


def string_to_torch_dtype(name: str) -> Any:
    """``fp16``, ``bf16``, ``fp32`` as torch's types; ``None`` for others."""
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(name)
