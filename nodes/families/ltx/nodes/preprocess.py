"""Pictures made as bad as a film's frames are, since models draw more motion from those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Int
from engine.registry import node
from engine.types import Image
from nodes import media

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")


class Preprocessed(NamedTuple):
    """The pictures, made worse."""

    output_image: Image


@node("LTXVPreprocess", category="video/preprocessors", display_name="LTXV Preprocess")
def preprocess(
    ctx: Context,
    *,
    image: Image,
    img_compression: Annotated[
        int, Int(min=0, max=100, tooltip="H.264's constant rate factor; 0 leaves pictures as they are.")
    ] = 35,
) -> Preprocessed:
    """Each picture as a film of one frame shows it: encoded in H.264 and decoded again, of even sides."""
    if not img_compression:
        return Preprocessed(image)
    height, width = image.pixels.shape[1:3]
    if not len(image.pixels) or min(height, width) < 2:
        raise InputInvalid(
            f"{len(image.pixels)} pictures of {width}x{height} px cannot be encoded as film",
            input="image",
            remedy="use pictures of at least 2x2 px",
        )
    made = [
        torch.from_numpy(media.one_frame.encoded_and_decoded(frame.numpy(), img_compression))
        for frame in (image.pixels[:, : height // 2 * 2, : width // 2 * 2, :3] * 255.0).byte()
    ]
    return Preprocessed(Image(torch.stack(made).float() / 255.0))
