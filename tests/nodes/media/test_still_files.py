"""Picture files as phones, cameras and editors write them, and films that are loaded as pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from benchmarks.media.films import BLUE, GREEN, GREY, HEIGHT, RED, WIDTH, Film, colours, numbered, patches
from benchmarks.media.heif import avif, heic
from engine.errors import InputInvalid
from nodes.media import jxl, stills
from tests.nodes.media.conftest import Listener

EXPECTED = (RED, GREEN, BLUE, GREY)
BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}


def file_of(picture: Pillow.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# -- JPEG and PNG ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", [1, 2, 10, 0.4, 0.7])
def test_a_jpeg_that_is_cut_short_is_grey_at_its_end(tmp_path: Path, run: Listener, left_out: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file_of(Pillow.fromarray(noise), "JPEG", quality=95)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: -left_out if left_out >= 1 else -int(len(data) * left_out)])
    pixels = stills.read(path, run)[0].pixels[0]
    whole = stills.read(data)[0].pixels[0]
    assert pixels.shape == (64, 64, 3)
    assert torch.equal(pixels[:4, :32], whole[:4, :32])
    if left_out < 1:
        assert pixels[-1, -1].mul(255).round().tolist() == [128] * 3
    assert run.notes == ["'cut.jpg': it is cut short: its last rows are grey"]


def test_a_whole_jpeg_has_no_note(tmp_path: Path, run: Listener) -> None:
    for end in (b"", b"\0\0\0", b"trailing bytes"):
        (tmp_path / "a.jpg").write_bytes(file_of(Pillow.new("RGB", (32, 32)), "JPEG") + end)
        stills.read(tmp_path / "a.jpg", run)
    assert run.notes == []


def test_a_jpeg_without_any_pixels_is_refused() -> None:
    with pytest.raises(InputInvalid, match="damaged or truncated"):
        stills.read(file_of(Pillow.new("RGB", (32, 32)), "JPEG")[:300])


@pytest.mark.parametrize(
    ("mode", "levels", "transparent", "expected"),
    [
        ("RGB", [(9, 9, 9), (200, 0, 0), (9, 9, 8)], (9, 9, 9), [1, 0, 0]),
        ("L", [0, 7, 255], 7, [0, 1, 0]),
        ("I;16", [0, 700, 65535], 700, [0, 1, 0]),
        ("1", [0, 255, 0], 255, [0, 1, 0]),
    ],
)
def test_the_transparent_colour_of_a_png_is_its_mask(
    mode: str, levels: list[object], transparent: object, expected: list[int]
) -> None:
    picture = Pillow.new(mode, (3, 1))
    for x, level in enumerate(levels):
        picture.putpixel((x, 0), level)
    _, mask = stills.read(file_of(picture, "PNG", transparency=transparent))
    assert mask.tolist() == [[expected]]


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_a_png_with_large_texts_is_read(place: bytes, kind: bytes) -> None:
    text = b"x" * 3_000_000
    bodies = {
        b"zTXt": [b"prompt\0\0" + zlib.compress(text)],
        b"iTXt": [b"prompt\0\1\0\0\0" + zlib.compress(text)],
        b"tEXt": [b"t%d\0" % number + text for number in range(25)],
    }
    data = file_of(Pillow.new("RGB", (16, 16), (9, 8, 7)), "PNG")
    at = data.index(place) - 4
    data = data[:at] + b"".join(chunk(kind, body) for body in bodies[kind]) + data[at:]
    assert (stills.read(data)[0].pixels[0, 3, 3] * 255).round().tolist() == [9, 8, 7]


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_sixteen_bits_of_colour_are_kept(alpha: bool, orientation: int) -> None:
    levels = np.arange(6 * 8 * (4 if alpha else 3), dtype=np.uint16).reshape(6, 8, -1) * 257 + 40
    header = struct.pack(">IIBBBBB", 8, 6, 16, 6 if alpha else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\3\0\0\0\1" + struct.pack(">HH", orientation, 0) + b"\0\0\0\0"
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"eXIf", exif)
    pixels, mask = stills.read(data + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    expected = levels[..., :3] / 65535
    expected = np.rot90(expected, -1) if orientation == 6 else expected
    np.testing.assert_allclose(pixels.pixels[0].numpy(), expected, atol=1e-6)
    assert mask.shape == ((1, *expected.shape[:2]) if alpha else (1, 64, 64))


def test_sixteen_bits_of_a_tiff_are_kept(tmp_path: Path) -> None:
    import tifffile

    levels = np.random.default_rng(0).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb")
    np.testing.assert_allclose(stills.read(tmp_path / "a.tif")[0].pixels[0].numpy(), levels / 65535, atol=1e-6)


def test_what_is_transparent_in_a_gif_is_white() -> None:
    picture = Pillow.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 0, 255, 0])
    picture.putdata([0, 1])
    pixels, mask = stills.read(file_of(picture, "GIF", transparency=1))
    assert (pixels.pixels[0, 0] * 255).round().tolist() == [[10, 20, 30], [255, 255, 255]]
    assert mask.tolist() == [[[0, 1]]]


# -- HEIC, AVIF, JPEG XL, EXR ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [heic, avif])
@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize(
    ("turns", "shape", "expected"),
    [(0, (128, 256), (RED, GREEN, BLUE, GREY)), (1, (256, 128), (GREEN, GREY, RED, BLUE))],
)
def test_heic_and_avif_of_one_piece_and_in_tiles(
    made: Callable[[np.ndarray, int | None, int], bytes],
    tile: int | None,
    turns: int,
    shape: tuple[int, int],
    expected: tuple[object, ...],
) -> None:
    pixels, mask = stills.read(made(patches(256, 128), tile, turns))
    assert pixels.pixels.shape == (1, *shape, 3)
    np.testing.assert_allclose(colours(pixels.pixels[0]), expected, atol=3)
    assert mask.shape == (1, 64, 64)


def test_a_damaged_heic_is_refused() -> None:
    data = heic(patches())
    for damaged in (data[:200], data[: len(data) // 2], data[:60]):
        with pytest.raises(InputInvalid, match=r"damaged or truncated|known format"):
            stills.read(damaged)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_colours_of_an_avif(tmp_path: Path, pixel_format: str) -> None:
    made = Film(frames=1, codec="libsvtav1", pixel_format=pixel_format, container="avif", matrix="bt709", tags=BT709)
    made.options = {"crf": "5"}
    pixels, _ = stills.read(made.write(tmp_path / "a.avif"))
    np.testing.assert_allclose(colours(pixels.pixels[0]), EXPECTED, atol=2)


def test_an_animated_avif_is_a_batch(tmp_path: Path) -> None:
    made = Film(frames=5, rate=Fraction(10), codec="libsvtav1", container="avif", matrix="bt709", tags=BT709)
    made.pixels, made.options = numbered, {"crf": "5"}
    pixels, _ = stills.read(made.write(tmp_path / "a.avif"))
    assert pixels.pixels.mean((1, 2, 3)).mul(255).tolist() == pytest.approx([0, 8, 16, 24, 32], abs=1.5)


def test_an_avif_with_alpha_and_a_turn() -> None:
    picture = Pillow.fromarray(np.dstack([patches(), np.full((HEIGHT, WIDTH), 128, np.uint8)]))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    pixels, mask = stills.read(file_of(picture, "AVIF", exif=exif, quality=95))
    assert pixels.pixels.shape == (1, WIDTH, HEIGHT, 3)
    np.testing.assert_allclose(colours(pixels.pixels[0]), (BLUE, RED, GREY, GREEN), atol=6)
    assert mask.mean().item() == pytest.approx(1 - 128 / 255, abs=0.02)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_jpeg_xl_of_every_depth(kind: type, channels: int) -> None:
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    levels = (np.random.default_rng(0).random((40, 56, channels)) * top).astype(kind)
    data = imagecodecs.jpegxl_encode(levels if channels > 1 else levels[..., 0], lossless=True)
    assert jxl.size(data) == (56, 40)
    pixels, mask = stills.read(data)
    expected = levels[..., :3] if channels > 2 else np.repeat(levels[..., :1], 3, axis=2)
    np.testing.assert_allclose(pixels.pixels[0].numpy(), expected / top, atol=1e-6)
    if channels in (2, 4):
        np.testing.assert_allclose(mask[0].numpy(), 1 - levels[..., -1] / top, atol=1e-6)


def test_an_animated_jpeg_xl_is_a_batch() -> None:
    frames = np.stack([np.full((8, 16, 3), level, np.uint8) for level in (0, 90, 255)])
    pixels, _ = stills.read(imagecodecs.jpegxl_encode(frames, lossless=True, photometric="rgb"))
    np.testing.assert_allclose(pixels.pixels.numpy(), frames / 255, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (256, 128), (1920, 1080), (333, 4097), (5, 20000)])
def test_the_size_of_a_jpeg_xl_is_read_off_its_header(width: int, height: int) -> None:
    data = imagecodecs.jpegxl_encode(np.zeros((height, width), np.uint8), effort=1)
    assert jxl.size(data) == (width, height)


def test_a_damaged_jpeg_xl_is_refused() -> None:
    data = imagecodecs.jpegxl_encode(patches(), lossless=True)
    for damaged in (data[:40], data[: len(data) // 2], data[:2]):
        with pytest.raises(InputInvalid, match="damaged or truncated"):
            stills.read(damaged)


def test_an_exr_is_read_as_stored(tmp_path: Path) -> None:
    light = np.random.default_rng(0).random((20, 36, 3), dtype=np.float32) * 1.5
    path = tmp_path / "a.exr"
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("exr", rate=1)
        stream.width, stream.height, stream.pix_fmt = 36, 20, "gbrpf32le"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(light, format="gbrpf32le")))
    np.testing.assert_allclose(stills.read(path)[0].pixels[0].numpy(), light, atol=1e-6)


# -- films ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mp4", "film.png", "film"])
def test_a_film_gives_its_frames_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = Film(frames=7, container="mp4").write(tmp_path / name)
    pixels, mask = stills.read(path)
    assert pixels.pixels.shape == (7, HEIGHT, WIDTH, 3)
    assert mask.shape == (7, 64, 64)
    np.testing.assert_allclose(colours(pixels.pixels[3]), EXPECTED, atol=3)
    assert stills.read_channel(path, "red").shape == (7, HEIGHT, WIDTH)


def test_a_sound_file_is_no_picture(tmp_path: Path) -> None:
    from nodes.media import sound_files

    sound_files.write(tmp_path / "a.flac", torch.zeros(1, 100), 8000, "flac", "", {})
    with pytest.raises(InputInvalid, match=r"'a.flac' is not a picture of a known format") as caught:
        stills.read(tmp_path / "a.flac")
    assert str(tmp_path) not in str(caught.value)
