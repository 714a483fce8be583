"""Reading picture files: every kind of pixel, orientation and animation, and everything that must be refused."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine.errors import InputInvalid, ModelMissing
from engine.folders import Folders
from nodes.media import named_pictures, stills

LEVELS = np.random.default_rng(1).integers(0, 256, (6, 8, 4), dtype=np.uint8)
RGB, RGBA = Pillow.fromarray(LEVELS[..., :3]), Pillow.fromarray(LEVELS)


def read(source: Path | bytes) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = stills.read(source)
    return image.pixels, mask


def as_file(picture: Pillow.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_rgb_without_loss(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels, mask = read(as_file(RGB, kind, **options))
    np.testing.assert_array_equal((pixels[0] * 255).round().numpy(), LEVELS[..., :3])
    assert pixels.dtype == torch.float32
    assert torch.equal(mask, torch.zeros(1, 64, 64))


def test_alpha_becomes_an_inverted_mask() -> None:
    pixels, mask = read(as_file(RGBA))
    assert pixels.shape == (1, 6, 8, 3)
    np.testing.assert_allclose(mask[0].numpy(), 1.0 - LEVELS[..., 3] / np.float32(255))


def test_transparent_palette() -> None:
    picture = Pillow.new("P", (2, 2))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2, 0])
    pixels, mask = read(as_file(picture, transparency=1))
    assert pixels[0].reshape(4, 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert mask[0].flatten().tolist() == [0, 1, 0, 0]


def test_grey_with_alpha_and_bilevel() -> None:
    pixels, mask = read(as_file(Pillow.new("LA", (2, 1), (51, 204))))
    assert pixels.unique().tolist() == [pytest.approx(0.2)]
    assert mask.unique().tolist() == [pytest.approx(0.2)]
    assert read(as_file(Pillow.new("1", (2, 1), 1)))[0].unique().tolist() == [1.0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    levels = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    pixels, _ = read(as_file(Pillow.fromarray(levels), kind))
    np.testing.assert_allclose(pixels[0, 0, :, 1].numpy(), levels[0] / 65535, rtol=1e-6)


def test_cmyk_is_converted() -> None:
    cmyk = Pillow.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels, _ = read(as_file(cmyk, "JPEG", quality=100))
    np.testing.assert_allclose(pixels[0, 8, 8].numpy(), [1.0, 0.0, 0.0], atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    pixels, _ = read(as_file(RGB, "PNG", exif=exif))
    plain = torch.from_numpy(LEVELS[..., :3].astype(np.float32) / 255)
    turned = {
        1: plain,
        2: plain.flip(1),
        3: plain.flip(0, 1),
        4: plain.flip(0),
        5: plain.transpose(0, 1),
        6: plain.rot90(-1),
        7: plain.transpose(0, 1).flip(0, 1),
        8: plain.rot90(1),
    }
    torch.testing.assert_close(pixels[0], turned[orientation])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animation_is_a_batch(kind: str) -> None:
    frames = [Pillow.new("RGB", (4, 3), (level, level, level)) for level in (0, 85, 255)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = as_file(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    pixels, mask = read(data)
    assert pixels.shape == (3, 3, 4, 3)
    torch.testing.assert_close(pixels[:, 0, 0, 0], torch.tensor([0.0, 85 / 255, 1.0]))
    assert mask.shape == (3, 64, 64)


def test_pages_of_another_size_are_left_out() -> None:
    pages = [Pillow.new("RGB", size) for size in ((4, 3), (5, 5), (4, 3))]
    assert read(as_file(pages[0], "TIFF", save_all=True, append_images=pages[1:]))[0].shape == (2, 3, 4, 3)


def test_pages_with_and_without_alpha() -> None:
    pages = [Pillow.new("RGB", (4, 3)), Pillow.new("RGBA", (4, 3), (0, 0, 0, 0))]
    _, mask = read(as_file(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert mask.mean((1, 2)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("red", LEVELS[..., 0]), ("green", LEVELS[..., 1]), ("blue", LEVELS[..., 2]), ("alpha", 255 - LEVELS[..., 3])],
)
def test_one_channel(channel: str, expected: np.ndarray) -> None:
    mask = stills.read_channel(as_file(RGBA), channel)
    np.testing.assert_allclose(mask[0].numpy(), expected / 255, atol=1e-6)


def test_alpha_channel_of_an_opaque_picture() -> None:
    assert torch.equal(stills.read_channel(as_file(RGB), "alpha"), torch.zeros(1, *LEVELS.shape[:2]))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind: str, keep: float, tmp_path: Path) -> None:
    noise = Pillow.fromarray(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = as_file(noise, kind)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputInvalid, match=r"'cut.bin' is (damaged or truncated|not a picture)") as caught:
        read(path)
    assert caught.value.input == "image"


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"hello" * 100, b"<svg></svg>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 99]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InputInvalid, match="is not a picture of a known format"):
        read(data)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InputInvalid, match=r"60000x60000\) has more than 64 megapixels"):
        read(png_header(60_000, 60_000))


def test_animation_counts_all_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "MAX_PIXELS", 40)
    frames = [Pillow.new("RGB", (4, 4), (level, 0, 0)) for level in (0, 99, 200)]
    with pytest.raises(InputInvalid, match="more than 40 pixels together"):
        read(as_file(frames[0], "GIF", save_all=True, append_images=frames[1:]))


def test_twenty_thousand_pixels_wide() -> None:
    pixels, _ = read(as_file(Pillow.new("RGB", (20_000, 2), (255, 0, 0))))
    assert pixels.shape == (1, 2, 20_000, 3)


def test_base64_with_and_without_prefix() -> None:
    text = base64.b64encode(as_file(RGB)).decode()
    for written in (text, f"data:image/png;base64,{text}", f"  {text[:50]}\n{text[50:]}\n"):
        assert named_pictures.from_base64(written, input="image") == as_file(RGB)


@pytest.mark.parametrize(
    "text", ["", "data:image/png;base64,", "data:image/png,abc", "data:", "no base64!", "abcde", "ä"]
)
def test_faulty_base64_names_its_input(text: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        named_pictures.from_base64(text, input="mask")
    assert caught.value.input == "mask"


def test_find_names_files_and_data_urls(tmp_path: Path) -> None:
    folders = Folders(input=tmp_path / "in", output=tmp_path / "out", temp=tmp_path / "tmp")
    folders.output.mkdir()
    (folders.output / "a.png").write_bytes(as_file(RGB))
    assert named_pictures.find(folders, "a.png [output]") == folders.output / "a.png"
    url = "data:image/png;base64," + base64.b64encode(as_file(RGB)).decode()
    assert named_pictures.find(folders, url) == as_file(RGB)
    for name in ("a.png", "../out/a.png", "/etc/passwd"):
        with pytest.raises(ModelMissing):
            named_pictures.find(folders, name)
