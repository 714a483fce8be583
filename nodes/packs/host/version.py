"""``comfyui_version``: whose behaviour is followed."""

from __future__ import annotations

from nodes import COMFYUI_VERSION as __version__  # noqa: N811

comfyui_version = __version__
