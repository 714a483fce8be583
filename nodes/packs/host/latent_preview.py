"""``latent_preview``: our sampling driver makes the previews; packs have nothing to do for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodes.packs.host.progress import ProgressBar

MAX_PREVIEW_RESOLUTION = 512


class LatentPreviewer:
    """Makes nothing."""

    def decode_latent_to_preview(self, _: Any) -> Any:
        """No picture."""
        return None

    def decode_latent_to_preview_image(self, *_: Any) -> Any:
        """No picture."""
        return None


def get_previewer(*_: Any, **__: Any) -> None:
    """None is needed."""


def set_preview_method(*_: Any, **__: Any) -> None:
    """The request says it."""


def prepare_callback(model: Any, steps: int, x0_output_dict: Any = None) -> Callable[..., None]:
    """Tells of each step."""
    bar = ProgressBar(steps)

    def callback(step: int, x0: Any, x: Any, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        bar.update_absolute(step + 1, total_steps)

    return callback
