"""Films as the node pack ComfyUI-VideoHelperSuite loads and saves them, under its nodes' names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from engine.context import Context
from engine.encoded import Embed
from engine.errors import InputInvalid
from engine.fingerprint import file_fingerprint
from engine.inputs import Bool, Choice, FileChoice, Float, Int, Text, Wire
from engine.registry import node
from engine.types import Audio, Image
from nodes import diffusion, media, pictures
from nodes.metadata import pictures as picture_texts
from nodes.metadata import streams
from nodes.picture_inputs import Prefix
from nodes.values import Latent, Vae

if TYPE_CHECKING:
    from nodes.media.film import FilmFile
    from nodes.media.picking import Picking

CATEGORY = "Video Helper Suite 🎥🅥🅗🅢"
_MOST = 2**53 - 1
# By the model that a film is for: sides are multiples of the first, lengths n of the second plus the third.
_MADE_FOR = {
    "None": (1, 1, 0),
    "AnimateDiff": (8, 1, 0),
    "Mochi": (16, 6, 1),
    "LTXV": (32, 8, 1),
    "Hunyuan": (16, 4, 1),
    "Cosmos": (16, 8, 1),
    "Wan": (8, 4, 1),
}
# By the format's name: the file's ending and the codec; nothing for pictures that move.
_FORMATS = {
    "image/gif": ("gif", ""),
    "image/webp": ("webp", ""),
    "video/av1-webm": ("webm", "av1"),
    "video/ffmpeg-gif": ("gif", ""),
    "video/h264-mp4": ("mp4", "h264"),
    "video/h265-mp4": ("mp4", "hevc"),
    "video/nvenc_h264-mp4": ("mp4", "h264"),
    "video/webm": ("webm", "vp9"),
}
_CRF = {"h264": 19, "hevc": 22, "vp9": 20, "av1": 23}
_MEDIA_TYPES = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4", "webm": "video/webm"}

ImageOrLatent = Annotated[Any, Wire("IMAGE,LATENT")]
Rate = Annotated[float, Float(min=0.0, max=60.0, step=1.0, also="INT")]
Side = Annotated[int, Int(min=0, max=8192)]
Number = Annotated[int, Int(min=0, max=_MOST, step=1)]
MadeFor = Annotated[str, Choice(*_MADE_FOR, optional=True)]
Batches = Annotated[Any, Wire("VHS_BatchManager", optional=True)]
Info = Annotated[Mapping[str, Any], Wire("VHS_VIDEOINFO")]


class LoadedFilm(NamedTuple):
    """Pictures (or their latents), how many, the sound beside them (None where it is silent), and facts."""

    images: Annotated[Any, Wire("IMAGE")]
    frame_count: int
    audio: Annotated[Audio | None, Wire("AUDIO")]
    video_info: Info


_OUTPUTS = ("IMAGE", "frame_count", "audio", "video_info")


@node("VHS_LoadVideo", category=CATEGORY, display_name="Load Video (Upload) 🎥🅥🅗🅢", output_names=_OUTPUTS)
def load_film(
    ctx: Context,
    *,
    video: Annotated[str, FileChoice("input", upload="video")],
    force_rate: Rate = 0.0,
    custom_width: Side = 0,
    custom_height: Side = 0,
    frame_load_cap: Number = 0,
    skip_first_frames: Number = 0,
    select_every_nth: Annotated[int, Int(min=1, max=_MOST, step=1)] = 1,
    meta_batch: Batches = None,
    vae: Vae | None = None,
    format: MadeFor = "None",
) -> LoadedFilm:
    """Pictures of a film of the input folder, at another rate and size where asked for, and the sound beside them.

    ``format``: sides and lengths that such a model takes; with ``vae``, pictures come as latents.
    """
    _refuse(meta_batch)
    film = media.film.look(ctx.folders.find_input(video), ctx)
    of_side, *whole = _MADE_FOR[format]
    if vae is not None:
        of_side = vae.space.factors[2]
    picking = media.picking.Picking(
        force_rate,
        skip_first_frames,
        select_every_nth,
        frame_load_cap,
        _target(film.size, custom_width, custom_height, of_side),
        (whole[0], whole[1]),
    )
    return _loaded(ctx, film, picking, vae)


def _film_named(ctx: Context, *, video: str) -> str:
    """What the pictures depend on: the file, which the path names in the folder of whose run it is."""
    return file_fingerprint(ctx.folders.find_input(_in_input(video)))


@node(
    "VHS_LoadVideoPath",
    category=CATEGORY,
    display_name="Load Video (Path) 🎥🅥🅗🅢",
    output_names=_OUTPUTS,
    fingerprint=_film_named,
)
def load_film_by_path(
    ctx: Context,
    *,
    video: Annotated[str, Text()],
    force_rate: Rate = 0.0,
    custom_width: Side = 0,
    custom_height: Side = 0,
    frame_load_cap: Number = 0,
    skip_first_frames: Number = 0,
    select_every_nth: Annotated[int, Int(min=1, max=_MOST, step=1)] = 1,
    meta_batch: Batches = None,
    vae: Vae | None = None,
    format: MadeFor = "None",
) -> LoadedFilm:
    """The same of a film that is named by its path in the input folder (``input/film.mp4``); no other place is read."""
    return load_film(
        ctx,
        video=_in_input(video),
        force_rate=force_rate,
        custom_width=custom_width,
        custom_height=custom_height,
        frame_load_cap=frame_load_cap,
        skip_first_frames=skip_first_frames,
        select_every_nth=select_every_nth,
        meta_batch=meta_batch,
        vae=vae,
        format=format,
    )


@node("VHS_VideoCombine", category=CATEGORY, display_name="Video Combine 🎥🅥🅗🅢", output_node=True,
      output_names=("Filenames",))  # fmt: skip
def combine(
    ctx: Context,
    *,
    images: ImageOrLatent,
    frame_rate: Annotated[float, Float(min=1.0, step=1.0, also="INT")] = 8.0,
    loop_count: Annotated[int, Int(min=0, max=100, step=1)] = 0,
    filename_prefix: Prefix = "AnimateDiff",
    format: Annotated[str, Choice(*_FORMATS)] = "image/gif",
    pingpong: bool = False,
    save_output: bool = True,
    audio: Audio | None = None,
    meta_batch: Batches = None,
    vae: Vae | None = None,
    pix_fmt: Annotated[str, Choice("yuv420p", "yuv420p10le", "yuva420p", "p010le", optional=True)] = "yuv420p",
    crf: Annotated[int, Int(min=-1, max=100, step=1, optional=True)] = -1,
    save_metadata: Annotated[bool, Bool(optional=True)] = True,
    trim_to_audio: Annotated[bool, Bool(optional=True)] = False,
    lossless: Annotated[bool, Bool(optional=True)] = True,
) -> Annotated[Any, Wire("VHS_FILENAMES")]:
    """A film or a moving picture in the output folder, or in the temp folder without ``save_output``.

    ``pingpong``: forth and back; ``loop_count``: how often a moving picture is shown (0: for ever), or how many more
    times a film is. ``crf`` below 0 is as usual for the codec.
    """
    _refuse(meta_batch)
    shown = _pictures(ctx, images, vae)
    suffix, codec = _FORMATS[format]
    if format.startswith("video/nvenc"):
        ctx.note(f"'{format}' is encoded by x264 instead")
    width, height = media.images.size_of(shown)
    series = ctx.files(filename_prefix, width_px=width, height_px=height) if save_output else ctx.temp_files()
    if codec:
        audio_s = None if audio is None else audio.waveform.shape[-1] / audio.sample_rate_hz
        most = max(1, round(audio_s * frame_rate)) if trim_to_audio and audio_s is not None else None
        frames = media.sequence.Sequence(shown, pingpong, 1 + loop_count, most)
        encoding = media.writing.Encoding(
            codec, crf if crf >= 0 else _CRF[codec], 10 if "10" in pix_fmt else 8, alpha=pix_fmt == "yuva420p"
        )
        write = partial(
            media.sequence.write, format=suffix, frames=frames, fps=frame_rate, encoding=encoding, audio=audio, run=ctx
        )
        embed: Embed | None = streams.embed(suffix)
    else:
        moving = media.sequence.Sequence(shown, pingpong).pixels
        save = pictures.encode.gif if suffix == "gif" else partial(pictures.encode.webp_loop, lossless=lossless)
        write = partial(save, pixels=moving, fps=frame_rate, loops=loop_count)
        embed = picture_texts.webp if suffix == "webp" else None
    ctx.show("gifs", series.save(f".{suffix}", _MEDIA_TYPES[suffix], write, embed if save_metadata else None))
    return save_output, ()


class AllInfo(NamedTuple):
    """Facts of a film as it is, and as it was loaded."""

    source_fps: float
    source_frame_count: int
    source_duration: float
    source_width: int
    source_height: int
    loaded_fps: float
    loaded_frame_count: int
    loaded_duration: float
    loaded_width: int
    loaded_height: int


class SomeInfo(NamedTuple):
    """Facts of a film: pictures a second, how many, seconds, and pixels of their sides."""

    fps: float
    frame_count: int
    duration: float
    width: int
    height: int


_SOURCE = tuple(f"{name}🟨" for name in SomeInfo._fields)
_LOADED = tuple(f"{name}🟦" for name in SomeInfo._fields)


@node("VHS_VideoInfo", category=CATEGORY, display_name="Video Info 🎥🅥🅗🅢",
      output_names=(*(f"source_{name}" for name in _SOURCE), *(f"loaded_{name}" for name in _LOADED)))  # fmt: skip
def all_info(ctx: Context, *, video_info: Info) -> AllInfo:
    """What is known of a film that was loaded."""
    return AllInfo(**video_info)


@node("VHS_VideoInfoSource", category=CATEGORY, display_name="Video Info (Source) 🎥🅥🅗🅢", output_names=_SOURCE)
def source_info(ctx: Context, *, video_info: Info) -> SomeInfo:
    """What is known of the film itself."""
    return SomeInfo(**{name: video_info[f"source_{name}"] for name in SomeInfo._fields})


@node("VHS_VideoInfoLoaded", category=CATEGORY, display_name="Video Info (Loaded) 🎥🅥🅗🅢", output_names=_LOADED)
def loaded_info(ctx: Context, *, video_info: Info) -> SomeInfo:
    """What is known of its pictures as they were loaded."""
    return SomeInfo(**{name: video_info[f"loaded_{name}"] for name in SomeInfo._fields})


def _loaded(ctx: Context, film: FilmFile, picking: Picking, vae: Vae | None) -> LoadedFilm:
    images = media.picking.pick(film, picking, ctx.hdr, ctx)
    count, fps = media.images.count_of(images), float(film.clock.rate)
    width, height = media.images.size_of(images)
    facts = {
        "source_fps": fps,
        "source_frame_count": film.count,
        "source_duration": film.count / fps,
        "source_width": film.size[0],
        "source_height": film.size[1],
        "loaded_fps": picking.rate_of(fps),
        "loaded_frame_count": count,
        "loaded_duration": count / picking.rate_of(fps),
        "loaded_width": width,
        "loaded_height": height,
    }
    made = images if vae is None else Latent(diffusion.vae.encode(ctx, vae, images.pixels))
    return LoadedFilm(made, count, media.picking.heard(film, picking, ctx), facts)


def _target(size: tuple[int, int], width: int, height: int, multiple: int) -> tuple[int, int]:
    """(width, height) that is asked for; 0 keeps the proportion, and sides are multiples."""
    wide, high = float(size[0]), float(size[1])
    if width and height:
        wide, high = width, height
    elif width:
        wide, high = width, high * width / wide
    elif height:
        wide, high = wide * height / high, height
    rounded = tuple(max(1, int(side / multiple + 0.5)) * multiple for side in (wide, high))
    return rounded[0], rounded[1]


def _in_input(path: str) -> str:
    """The name in the input folder that is meant. Raises ``InputInvalid`` for other places."""
    name = path.strip().strip("'\"").replace("\\", "/")
    parts = PurePosixPath(name.removeprefix("./").removeprefix("input/"))
    if not parts.parts or "://" in name or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise InputInvalid(
            f"'{PurePosixPath(name).name}' is not in the input folder",
            input="video",
            remedy="put the film into the input folder, and name it as it is called there",
        )
    return str(parts)


def _refuse(batches: Any) -> None:
    if batches is not None:
        raise InputInvalid(
            "films are not taken in batches",
            input="meta_batch",
            remedy="leave it out: long films stay in their files",
        )


def _pictures(ctx: Context, images: Any, vae: Vae | None) -> Image:
    if isinstance(images, Image):
        return images
    if vae is None:
        raise InputInvalid(
            "these are latents, not pictures", input="images", remedy="connect their VAE, or decode them before"
        )
    return Image(diffusion.vae.decode(ctx, vae, images.samples))
