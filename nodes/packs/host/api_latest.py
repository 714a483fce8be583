"""``comfy_api.latest``: the V3 interface."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nodes.packs.host import api_input

Input = SimpleNamespace(Image=Any, Mask=Any, Audio=Any, Latent=Any, Video=api_input.VideoInput)
InputImpl = SimpleNamespace(VideoFromFile=api_input.VideoFromFile, VideoFromComponents=api_input.VideoFromComponents)
Types = SimpleNamespace(
    VideoComponents=api_input.VideoComponents,
    VideoContainer=api_input.VideoContainer,
    VideoCodec=api_input.VideoCodec,
)


class ComfyExtension:
    """What a pack registers."""

    async def on_load(self) -> None:
        """Called once, before the list is asked for."""

    async def get_node_list(self) -> list[Any]:
        """Its classes."""
        return []


class _Execution:
    """Progress of the running node."""

    async def set_progress(self, value: float, max_value: float, *_: Any, **__: Any) -> None:
        """``value`` of ``max_value`` are done."""
        from nodes.packs.host.progress import ProgressBar

        ProgressBar(int(max_value)).update_absolute(int(value))


class ComfyAPI:
    """The host, for asynchronous classes."""

    execution = _Execution()


class ComfyAPISync:
    """The host, for others."""

    execution = _Execution()


def __getattr__(name: str) -> Any:
    # Their older names; ``io`` and ``ui`` are modules of their own.
    if name in ("IO", "UI"):
        from nodes.packs.importing import host_module

        return host_module(f"comfy_api.latest.{name.lower()}")
    return None
