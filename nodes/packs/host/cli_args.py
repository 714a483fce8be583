"""``comfy.cli_args``: the options of ComfyUI's command line; all have their defaults."""

from __future__ import annotations

import enum
from typing import Any


class LatentPreviewMethod(enum.Enum):
    """How unfinished pictures are made."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"


class _Arguments:
    """Any option: off, unless it is known."""

    listen, port, preview_method = "127.0.0.1", 8188, LatentPreviewMethod.NoPreviews
    preview_size, disable_metadata, verbose = 512, False, "INFO"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


args = _Arguments()
