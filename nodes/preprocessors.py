"""Pictures for ControlNets, made of photos: some by the networks of controlnet_aux (the extra ``preprocess``)."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.fingerprint import file_fingerprint
from engine.inputs import Choice, Int
from engine.registry import node
from engine.types import Image
from nodes import memory, pictures

# As the node pack comfyui_controlnet_aux calls them.
PREPROCESSORS = (
    "none",
    "BAE-NormalMapPreprocessor",
    "CannyEdgePreprocessor",
    "ColorPreprocessor",
    "HEDPreprocessor",
    "LineArtPreprocessor",
    "M-LSDPreprocessor",
    "MiDaS-DepthMapPreprocessor",
    "OpenposePreprocessor",
    "PiDiNetPreprocessor",
    "ScribblePreprocessor",
    "TilePreprocessor",
)
WITHOUT_NETWORK = frozenset({"CannyEdgePreprocessor", "ColorPreprocessor", "ScribblePreprocessor", "TilePreprocessor"})


def _networks(ctx: Context, preprocessor: str | None) -> list[str]:
    """Fingerprints of the files that are read; of all that could be if the choice is linked, so not known."""
    names = PREPROCESSORS if preprocessor is None else (preprocessor,)
    return [file_fingerprint(file) for name in names for file in pictures.preprocessors.files_read(name, ctx.folders)]


@node(
    "AIO_Preprocessor",
    category="image/preprocessors",
    display_name="AIO Aux Preprocessor",
    fingerprint=_networks,
    keep=True,
    memory=memory.detected_image,
)
def preprocess(
    ctx: Context,
    *,
    image: Image,
    preprocessor: Annotated[str, Choice(*PREPROCESSORS, optional=True)] = "none",
    resolution: Annotated[int, Int(min=64, max=16384, step=64, optional=True)] = 512,
) -> Image:
    """What a ControlNet takes: edges, lines, depth, normals, poses, colours.

    ``resolution``: pixels of the shorter side. Edges by Canny, scribbles, tiles and colours need no network; the
    others' files are read from the models folder ``annotators``, under the names that they were published by.
    """
    if preprocessor == "none":
        return image
    if preprocessor in WITHOUT_NETWORK:
        return Image(pictures.plain_hints.drawn(image.pixels, preprocessor, resolution))
    return Image(
        pictures.preprocessors.detected(image.pixels, preprocessor, resolution, ctx.folders, ctx.models.device)
    )
