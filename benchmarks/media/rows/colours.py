"""Rows for what colours a film has: matrices, ranges, depths, alpha, fields, HDR."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.media.films import HEIGHT, WHITE_16, WIDTH, X265, Film, patches
from benchmarks.media.row import TAGS_709, UPRIGHT, Row, film

_DEEP: dict[str, Any] = {"codec": "libx265", "pixel_format": "yuv420p10le", "frames": 1}
_DEEP["options"] = {"crf": "4", "x265-params": X265}
_SEEN = {"corners": UPRIGHT}


def colour_rows() -> list[Row]:
    """All of them."""
    return [*_matrices(), *_codecs(), *_hdr(), *_alpha(), _fields()]


def _matrices() -> list[Row]:
    hd: dict[str, Any] = {"matrix": "bt709", "size": (1280, 720), "options": {"preset": "ultrafast"}, "frames": 1}
    full_709 = {**TAGS_709, "color_range": 2}
    made: list[tuple[str, str, Film]] = [
        ("untagged, small", "sd.mp4", Film(frames=1)),
        ("untagged, HD", "hd.mp4", Film(**hd)),
        ("tagged BT.601", "tagged601.mp4", Film(frames=1, tags={"colorspace": 5})),
        ("tagged BT.709", "tagged.mp4", Film(frames=1, matrix="bt709", tags=TAGS_709)),
        ("full range", "full.mp4", Film(frames=1, full=True, tags={"colorspace": 5, "color_range": 2})),
        ("full range of BT.709", "full709.mp4", Film(frames=1, full=True, matrix="bt709", tags=full_709)),
        ("4:4:4", "444.mp4", Film(frames=1, pixel_format="yuv444p", matrix="bt709", tags=TAGS_709)),
        ("4:2:2", "422.mov", Film(frames=1, pixel_format="yuv422p", matrix="bt709", tags=TAGS_709)),
    ]
    return [film(name, file, _SEEN, each) for name, file, each in made]


def _codecs() -> list[Row]:
    h265: dict[str, Any] = {"codec": "libx265", "options": {"crf": "4", "x265-params": X265}}
    av1: dict[str, Any] = {"codec": "libsvtav1", "options": {"crf": "5", "preset": "10"}}
    prores: dict[str, Any] = {"codec": "prores_ks", "pixel_format": "yuv422p10le", "matrix": "bt709"}
    dnxhd: dict[str, Any] = {"codec": "dnxhd", "pixel_format": "yuv422p", "matrix": "bt709", "size": (256, 120)}
    odd = {"size": (127, 95), "corners": UPRIGHT}
    tagged: dict[str, Any] = {"frames": 1, "matrix": "bt709", "tags": TAGS_709}
    return [
        film("HEVC", "hevc.mp4", _SEEN, Film(**h265, **tagged)),
        film("HEVC of 10 bits", "deep.mp4", _SEEN, Film(matrix="bt709", tags=TAGS_709, **_DEEP)),
        film("AV1", "av1.mp4", _SEEN, Film(**av1, **tagged)),
        film("VP9", "vp9.webm", _SEEN, Film(codec="libvpx-vp9", options={"crf": "5"}, **tagged)),
        film("ProRes without tags", "prores.mov", _SEEN, Film(frames=1, **prores)),
        film("DNxHR without tags", "dnxhr.mov", _SEEN, Film(frames=1, options={"profile": "dnxhr_hq"}, **dnxhd)),
        film("MJPEG of a camera", "camera.avi", _SEEN, Film(1, codec="mjpeg", pixel_format="yuvj420p", full=True)),
        film("FFV1", "exact.mkv", _SEEN, Film(frames=1, codec="ffv1", pixel_format="bgr0"), corners=0.1),
        film("GIF", "loop.gif", _SEEN, Film(frames=3, codec="gif", pixel_format="bgr8"), corners=45),
        film("odd sides", "odd.webm", odd, Film(1, size=(127, 95), codec="libvpx-vp9", options={"crf": "5"})),
        film("odd sides, 4:4:4", "odd.mkv", odd, Film(1, size=(127, 95), codec="ffv1", pixel_format="bgr0")),
    ]


def _hdr() -> list[Row]:
    return [
        film(
            f"{name} of a phone",
            f"{name}.mov",
            _SEEN,
            Film(
                matrix="bt2020",
                tags={"colorspace": 9, "color_primaries": 9, "color_trc": trc},
                pixels=lambda _, name=name: hdr_patches(name),  # type: ignore[misc]
                pixel_input="rgb48le",
                **_DEEP,
            ),
            corners=5,
        )
        for name, trc in (("HLG", 18), ("PQ", 16))
    ]


def _alpha() -> list[Row]:
    kinds: dict[str, dict[str, Any]] = {
        "clear.webm": {"codec": "libvpx-vp9", "pixel_format": "yuva420p"},
        "clear.mov": {"codec": "prores_ks", "pixel_format": "yuva444p10le", "matrix": "bt709"},
        "clear_rle.mov": {"codec": "qtrle", "pixel_format": "argb"},
        "clear.mkv": {"codec": "ffv1", "pixel_format": "bgra"},
    }
    return [
        film(f"alpha, {kind['codec']}", file, {"alpha": 64}, Film(2, pixels=_clear, pixel_input="rgba", **kind))
        for file, kind in kinds.items()
    ]


def _clear(_: int) -> np.ndarray:
    """Opaque above, of alpha 64 below."""
    picture = np.dstack([patches(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture[HEIGHT // 2 :, :, 3] = 64
    return picture


def _fields() -> Row:
    made = Film(6, pixels=two_fields, options={"x264-params": "tff=1", "crf": "10"})
    return film("interlaced", "fields.mp4", {"combed": 0.0, "frames": 6}, made, combed=5)


def two_fields(number: int) -> np.ndarray:
    """A white bar that moves, seen by each field at its own time."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for field in (0, 1):
        x = (number * 2 + field) * 8 % WIDTH
        picture[field::2, x : x + 16] = 255
    return picture


def hdr_patches(transfer: str) -> np.ndarray:
    """uint16: the patches in BT.2020 and HLG (white at 75 %) or PQ (white at 203 cd/m2), by the standards' formulas."""
    signal = patches() / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    light = light @ to_2020.T
    if transfer.lower() == "hlg":
        scene = light * 0.26496
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        levels = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
    else:
        power = (light * 203 / 10000) ** 0.1593017578125
        levels = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    made: np.ndarray = np.round(levels * WHITE_16).astype(np.uint16)
    return made
