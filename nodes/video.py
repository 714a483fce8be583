"""Films: making them from pictures and sound, loading, taking apart and saving them."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Annotated, NamedTuple

from engine.context import Context
from engine.inputs import Choice, FileChoice, Float
from engine.output_files import start_series
from engine.registry import node
from engine.types import Audio, Image, Video
from nodes import pictures
from nodes.picture_inputs import Prefix


class Components(NamedTuple):
    """A film's frames, its sound (None where it is silent) and its frames a second."""

    images: Image
    audio: Audio | None
    fps: float


@node("CreateVideo", category="image/video", display_name="Create Video")
def create_video(
    ctx: Context,
    *,
    images: Image,
    fps: Annotated[float, Float(min=1.0, max=120.0, step=1.0)] = 30.0,
    audio: Audio | None = None,
) -> Video:
    """A film with a picture of the batch a frame."""
    return Video(frames=images, frame_rate=Fraction(fps), audio=audio)


@node("LoadVideo", category="image/video", display_name="Load Video", aside=True)
def load_video(ctx: Context, *, file: Annotated[str, FileChoice("input", upload="video")]) -> Video:
    """A film of the input folder; it is decoded where its frames are needed."""
    return Video(file=ctx.folders.find_input(file))


@node("GetVideoComponents", category="image/video", display_name="Get Video Components", aside=True)
def get_components(ctx: Context, *, video: Video) -> Components:
    """Frames (float[frames, height, width, 3]), sound and frame rate."""
    film = pictures.film.components(video)
    return Components(Image(film.frames), film.audio, float(film.frame_rate))


@node("SaveVideo", category="image/video", display_name="Save Video", output_node=True, aside=True)
def save_video(
    ctx: Context,
    *,
    video: Video,
    filename_prefix: Prefix = "video/ComfyUI",
    format: Annotated[str, Choice("auto", "mp4")] = "auto",
    codec: Annotated[str, Choice("auto", "h264")] = "auto",
) -> None:
    """An MP4 file with H.264 in the output folder, the workflow in its metadata; files that fit are copied."""
    width, height = pictures.film.size(video)
    series = start_series(ctx.folders.output, filename_prefix, width_px=width, height_px=height, prompt=ctx.prompt)
    texts = pictures.encode.metadata(ctx.prompt, ctx.extra_pnginfo)
    write = partial(pictures.film.save, video=video, container=format, codec=codec, texts=texts)
    ctx.show("images", series.save(".mp4", "video/mp4", write))
    ctx.show("animated", True)


@node("SaveWEBM", category="image/video", output_node=True, experimental=True, aside=True)
def save_webm(
    ctx: Context,
    *,
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    codec: Annotated[str, Choice("vp9", "av1")],
    fps: Annotated[float, Float(min=0.01, max=1000.0, step=0.01)] = 24.0,
    crf: Annotated[float, Float(min=0, max=63.0, step=1)] = 32.0,
) -> None:
    """A WEBM file in the output folder, a picture of the batch a frame; lower ``crf`` is better and larger."""
    height, width = images.pixels.shape[1:3]
    series = start_series(ctx.folders.output, filename_prefix, width_px=width, height_px=height, prompt=ctx.prompt)
    texts = pictures.encode.metadata(ctx.prompt, ctx.extra_pnginfo)
    write = partial(pictures.film.write_webm, frames=images.pixels, fps=fps, codec=codec, crf=crf, texts=texts)
    ctx.show("images", series.save(".webm", "video/webm", write))
    ctx.show("animated", True)
