"""Films: making them from pictures and sound, loading, taking apart and saving them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from engine.context import Context
from engine.inputs import Choice, DynamicChoice, FileChoice, Float, Given, Int, Shown
from engine.registry import node
from engine.types import Audio, Image, Video
from nodes import media
from nodes.metadata import streams
from nodes.picture_inputs import Prefix

if TYPE_CHECKING:
    from nodes.media.saving import WantedFile

MEDIA_TYPES = {"mp4": "video/mp4", "mkv": "video/x-matroska", "webm": "video/webm"}
ColorSpace = Annotated[str, Choice("sRGB", "HDR", "HDR PQ")]


class Components(NamedTuple):
    """A film's pictures, its sound (None where it is silent), frames a second, bits a level and what levels mean."""

    images: Image
    audio: Audio | None
    fps: float
    bit_depth: int
    color_space: ColorSpace


@node("CreateVideo", category="video", display_name="Create Video", search_aliases=("images to video",))
def create_video(
    ctx: Context,
    *,
    images: Image,
    fps: Annotated[float, Float(min=1.0, max=120.0, step=1.0)] = 30.0,
    audio: Audio | None = None,
    bit_depth: Annotated[int, Int(min=8, max=10, step=2, display="number", optional=True)] = 8,
) -> Video:
    """A film with a picture of the batch a frame."""
    return Video(frames=images, frame_rate=Fraction(fps), audio=audio, bit_depth=bit_depth)


@node("LoadVideo", category="video", display_name="Load Video", aside=True)
def load_video(ctx: Context, *, file: Annotated[str, FileChoice("input", upload="video")]) -> Video:
    """A film of the input folder; it is decoded where its frames are needed."""
    return Video(file=ctx.folders.find_input(file))


@node("GetVideoComponents", category="video", display_name="Get Video Components", aside=True)
def get_components(ctx: Context, *, video: Video) -> Components:
    """Pictures (float[frames, height, width, 3 or 4]), sound, frame rate, bit depth and colour space.

    Pictures of HDR films are what ordinary screens show (``sRGB``), or as stored by a setting. Those of a long film
    stay in its file until a node needs all of them.
    """
    if video.file is None:
        assert video.frames is not None and video.frame_rate is not None
        return Components(video.frames, video.audio, float(video.frame_rate), video.bit_depth, "sRGB")
    film = media.film.of_video(video, ctx)
    audio = film.audio(ctx)
    images = media.images.image_of(film, ctx.hdr, ctx)
    space = media.transcoding.color_space(film) if ctx.hdr == "as_stored" else "sRGB"
    return Components(images, audio, float(film.clock.rate), film.meaning.bits, space)


@node("Video Slice", category="video", display_name="Trim Video", aside=True)
def slice_video(
    ctx: Context,
    *,
    video: Video,
    start_time: Annotated[float, Float(min=-1e5, max=1e5, step=0.001)] = 0.0,
    duration: Annotated[float, Float(min=0.0, step=0.001)] = 0.0,
    strict_duration: bool = False,
) -> Video:
    """``duration`` seconds of the film (0: to its end) from second ``start_time`` on, from the end where negative.

    With ``strict_duration``, a film that is shorter is refused; else there is what it has.
    """
    wanted = media.parts.TimeRange(Fraction(start_time), Fraction(duration) or None, strict=strict_duration)
    return media.parts.part_of(video, wanted, ctx)


def _encoding(crf: float, worst: float) -> Given:
    """Whether a film that is of the codec already is copied, and how it is encoded else."""
    quality = Given(Annotated[float, Float(min=0.0, max=worst, step=1.0)], crf)
    options = {"auto": {}, "re-encode": {"crf": quality, "color_space": Given(_SAVED_COLOR_SPACE, "auto")}}
    return Given(Annotated[Any, DynamicChoice(options, optional=True), Shown(display_name="encoding mode")])


def _codecs(*names: str) -> Mapping[str, Mapping[str, Given]]:
    return {name: {} if name == "auto" else {"encoding": _encoding(*_QUALITIES[name])} for name in names}


_SAVED_COLOR_SPACE = Annotated[str, Choice("auto", "sRGB", "HDR", "HDR PQ")]
_QUALITIES = {"h264": (23.0, 51.0), "av1": (30.0, 63.0)}  # by default, and the worst
_CODEC = Given(Annotated[Any, DynamicChoice(_codecs("auto", "h264", "av1"))])
_FORMATS = {
    **{name: {"codec": _CODEC} for name in ("auto", "mp4", "mkv")},
    "webm": {"codec": Given(Annotated[Any, DynamicChoice(_codecs("auto", "av1"))])},
}
Chosen = Mapping[str, Any]


@node(
    "SaveVideo",
    category="video",
    display_name="Save Video",
    output_node=True,
    aside=True,
    output_names=("video",),
    search_aliases=("export video",),
)
def save_video(
    ctx: Context,
    *,
    video: Video,
    filename_prefix: Prefix = "video/ComfyUI",
    format: Annotated[Chosen, DynamicChoice(_FORMATS)],
    codec: Annotated[
        Chosen | None, DynamicChoice(_codecs("auto", "h264", "av1"), optional=True), Shown(hidden=True)
    ] = None,
) -> Video:
    """A film in the output folder, the workflow in its metadata. The film is handed on.

    A film that is what is asked for already is copied without loss. ``format`` auto is MP4; ``codec`` auto is H.264,
    for WEBM AV1. ``codec`` beside ``format`` is where older workflows have it.
    """
    wanted = _wanted(format, codec)
    width, height = media.saving.size(video)
    series = ctx.files(filename_prefix, width_px=width, height_px=height)
    write = partial(media.saving.save, video=video, wanted=wanted, texts={}, run=ctx)
    suffix = wanted.suffix
    ctx.show("images", series.save(f".{suffix}", MEDIA_TYPES[suffix], write, streams.embed(suffix)))
    ctx.show("animated", True)
    return video


def _wanted(format: Chosen, older: Chosen | None) -> WantedFile:
    codec: Chosen = format.get("codec") or {"codec": "auto"}
    if codec["codec"] == "auto" and older is not None:
        codec = older
    encoding: Chosen = codec.get("encoding") or {}
    space = encoding.get("color_space", "auto")
    return media.saving.WantedFile(
        format["format"], codec["codec"], encoding.get("crf"), None if space == "auto" else space
    )


@node(
    "SaveWEBM",
    category="video",
    display_name="Save WEBM",
    output_node=True,
    experimental=True,
    aside=True,
    output_names=("images",),
)
def save_webm(
    ctx: Context,
    *,
    images: Image,
    filename_prefix: Prefix = "ComfyUI",
    codec: Annotated[str, Choice("vp9", "av1")],
    fps: Annotated[float, Float(min=0.01, max=1000.0, step=0.01)] = 24.0,
    crf: Annotated[float, Float(min=0, max=63.0, step=1)] = 32.0,
) -> Image:
    """A WEBM file in the output folder, a picture of the batch a frame, with VP9 also its alpha.

    Lower ``crf`` is better and larger. The pictures are handed on.
    """
    width, height = media.images.size_of(images)
    series = ctx.files(filename_prefix, width_px=width, height_px=height)
    write = partial(
        media.images.write,
        format="webm",
        image=images,
        fps=fps,
        encoding=media.writing.Encoding(codec, crf=crf, alpha=media.images.channels_of(images) == 4),
        run=ctx,
    )
    ctx.show("images", series.save(".webm", "video/webm", write, streams.embed("webm")))
    ctx.show("animated", True)
    return images
