"""``comfy.options``: command-line options of ComfyUI, which nobody gives here."""

from __future__ import annotations

args_parsing = False


def enable_args_parsing(enable: bool = True) -> None:
    """Nothing to parse."""
