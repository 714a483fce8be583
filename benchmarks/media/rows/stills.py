"""Rows for stills: formats, depths, turns, tiles, alpha, several pictures in a file."""

from __future__ import annotations

from typing import Any

from benchmarks.media import stills
from benchmarks.media.films import BLUE, GREEN, GREY, RED, Film, patches
from benchmarks.media.heif import avif, heic
from benchmarks.media.row import TAGS_709, TURNED, Row, picture
from benchmarks.media.spoiling import cut

_FINE: dict[str, Any] = {"quality": 95, "subsampling": 0}
_AVIF_TAGS = {**TAGS_709, "color_range": 1}


def still_rows() -> list[Row]:
    """All of them."""
    return [*_plain(), *_turned(), *_deep(), *_heif(), *_several(), *_clear(), *_films()]


def _plain() -> list[Row]:
    by_pillow, jpeg = stills.by_pillow, _FINE
    luma = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in (RED, GREEN, BLUE, GREY)]
    greys = [(level,) * 3 for level in luma]
    return [
        picture("PNG", "a.png", by_pillow("PNG")),
        picture("JPEG", "a.jpg", by_pillow("JPEG", **jpeg)),
        picture("upper-case suffix", "IMG_0001.JPG", by_pillow("JPEG", **jpeg)),
        picture("progressive JPEG", "progressive.jpg", by_pillow("JPEG", progressive=True, **jpeg)),
        picture("CMYK JPEG", "cmyk.jpg", by_pillow("JPEG", "CMYK", **jpeg)),
        picture("grey JPEG", "grey.jpg", by_pillow("JPEG", "L", **jpeg), corners=greys),
        picture("a JPEG cut short", "cut.jpg", cut(by_pillow("JPEG", **jpeg), 0.9), size=(128, 96), corners=None),
        picture("WebP", "a.webp", by_pillow("WEBP", lossless=True)),
        picture("BMP", "a.bmp", by_pillow("BMP")),
        picture("TIFF", "a.tif", by_pillow("TIFF", compression="tiff_lzw")),
        picture("TGA", "a.tga", by_pillow("TGA")),
        picture("PNM", "a.ppm", by_pillow("PPM")),
        picture("JPEG 2000", "a.jp2", by_pillow("JPEG2000")),
        picture("PNG of a palette", "palette.png", by_pillow("PNG", "P"), corners_within=30),
        picture("grey PNG", "grey.png", by_pillow("PNG", "L"), corners=greys),
    ]


def _turned() -> list[Row]:
    return [
        picture(
            f"JPEG of EXIF {turn}",
            f"exif{turn}.jpg",
            stills.by_pillow("JPEG", turn=turn, **_FINE),
            corners=corners,
            size=(128, 96) if turn < 5 else (96, 128),
        )
        for turn, corners in TURNED.items()
        if turn > 1
    ]


def _deep() -> list[Row]:
    means = [(sum(colour) / 3,) * 3 for colour in (RED, GREEN, BLUE, GREY)]
    return [
        picture("PNG of 16 bits", "deep.png", stills.deep_png),
        picture("TIFF of 16 bits", "deep.tif", stills.deep_tiff),
        picture("grey PNG of 16 bits", "deep_grey.png", stills.grey_png, corners=means),
        picture("JPEG XL", "a.jxl", stills.jpeg_xl),
        picture("EXR", "a.exr", stills.exr),
    ]


def _heif() -> list[Row]:
    large = patches(256, 128)
    svt: dict[str, Any] = {
        "frames": 1,
        "codec": "libsvtav1",
        "container": "avif",
        "matrix": "bt709",
        "tags": _AVIF_TAGS,
    }
    svt["options"] = {"crf": "5"}
    whole: dict[str, Any] = {"size": (256, 128)}
    sideways: dict[str, Any] = {"size": (128, 256), "corners": TURNED[8]}
    return [
        picture("HEIC", "photo.heic", lambda path: path.write_bytes(heic(patches()))),
        picture("HEIC in tiles", "tiles.heic", lambda path: path.write_bytes(heic(large, 64)), **whole),
        picture("HEIC in tiles, turned", "turned.heic", lambda path: path.write_bytes(heic(large, 64, 1)), **sideways),
        picture("AVIF", "photo.avif", Film(**svt).write),
        picture("AVIF of 10 bits", "deep.avif", Film(pixel_format="yuv420p10le", **svt).write),
        picture("AVIF in tiles", "tiles.avif", lambda path: path.write_bytes(avif(large, 64)), **whole),
        picture("AVIF in tiles, turned", "turned.avif", lambda path: path.write_bytes(avif(large, 64, 1)), **sideways),
    ]


def _several() -> list[Row]:
    several: dict[str, Any] = {"frames": 4}
    return [
        picture("animated WebP", "loop.webp", stills.animation("WEBP", lossless=True), **several),
        picture("animated PNG", "loop.png", stills.animation("PNG"), **several),
        picture("animated AVIF", "loop.avif", stills.animation("AVIF", quality=95), **several),
        picture("animated GIF", "frames.gif", stills.animation("GIF"), corners_within=30, **several),
        picture("TIFF of four pages", "pages.tif", stills.animation("TIFF"), **several),
        Row("animated AVIF as a film", "film.avif", stills.animation("AVIF", quality=95), {"frames": 4, "rate": 10.0}),
        Row("animated PNG as a film", "film.apng", stills.animation("PNG"), {"frames": 4, "rate": 10.0}),
    ]


def _clear() -> list[Row]:
    alpha: dict[str, Any] = {"alpha": 64}
    return [
        picture("PNG with alpha", "clear.png", stills.see_through("PNG"), **alpha),
        picture("WebP with alpha", "clear.webp", stills.see_through("WEBP", lossless=True, exact=True), **alpha),
        picture("AVIF with alpha", "clear.avif", stills.see_through("AVIF", quality=95), corners_within=6, **alpha),
    ]


def _films() -> list[Row]:
    return [
        picture("a film", "film.mp4", Film(frames=7).write, frames=7),
        picture("a film called .png", "film.png", Film(frames=7, container="mp4").write, frames=7),
    ]
