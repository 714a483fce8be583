"""Colours come out as they went in, whatever matrix, range, depth or transfer a film has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.media.films import BLUE, GREEN, GREY, HEIGHT, RED, WHITE_16, WIDTH, X265, Film, colours, patches
from benchmarks.media.rows.colours import hdr_patches, two_fields
from nodes.media import film, images, tone, transcoding, writing

EXPECTED = (RED, GREEN, BLUE, GREY)
BT709, BT2020 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, 9
HLG, PQ = 18, 16


def shown(path: Path, hdr: str = "sdr") -> np.ndarray:
    return images.image_of(film.look(path), hdr).pixels[0].numpy()


@pytest.mark.parametrize(
    ("name", "made", "tolerance"),
    [
        ("tagged 601", Film(tags={"colorspace": 5}), 1.5),
        ("tagged 709", Film(matrix="bt709", tags=BT709), 1.5),
        ("untagged SD", Film(), 1.5),
        ("untagged HD", Film(matrix="bt709", size=(1280, 720), options={"preset": "ultrafast"}), 3.0),
        ("full range", Film(full=True, matrix="bt709", tags={**BT709, "color_range": 2}), 2.2),
        ("10 bit", Film(codec="libx265", pixel_format="yuv420p10le", matrix="bt709", tags=BT709), 1.5),
        ("4:4:4", Film(pixel_format="yuv444p", matrix="bt709", tags=BT709), 1.5),
        ("MJPEG", Film(codec="mjpeg", pixel_format="yuvj420p", full=True, container="mov"), 3.0),
        ("FFV1", Film(codec="ffv1", pixel_format="bgr0", container="matroska"), 0.1),
    ],
)
def test_matrices_and_ranges(tmp_path: Path, name: str, made: Film, tolerance: float) -> None:
    made.frames = 1
    made.options = {"crf": "4", **made.options} if made.codec.startswith("libx26") else {}
    if made.codec == "libx265":
        made.options = {**made.options, "x265-params": X265}
    path = made.write(tmp_path / "a.mov")
    np.testing.assert_allclose(colours(shown(path)), EXPECTED, atol=tolerance)


def test_prores_without_tags_is_bt709(tmp_path: Path) -> None:
    path = Film(frames=1, codec="prores_ks", pixel_format="yuv422p10le", matrix="bt709").write(tmp_path / "a.mov")
    np.testing.assert_allclose(colours(shown(path)), EXPECTED, atol=2)


def ramp(_: int) -> np.ndarray:
    """uint16[height, width, 3]: grey, all levels between 0.40 and 0.45 of the range."""
    row = np.linspace(0.40, 0.45, WIDTH) * WHITE_16
    return np.repeat(np.repeat(row[None, :, None], HEIGHT, 0), 3, 2).astype(np.uint16)


def test_ten_bits_are_kept(tmp_path: Path) -> None:
    made = Film(frames=1, codec="ffv1", pixel_format="yuv420p10le", pixels=ramp, pixel_input="rgb48le")
    picture = shown(made.write(tmp_path / "a.mkv"))
    assert len(np.unique(picture[10, :, 0])) > 30, "13 with eight bits"
    np.testing.assert_allclose(picture[10, :, 1], ramp(0)[10, :, 1] / WHITE_16, atol=0.002)


def test_white_and_black_of_ten_bits(tmp_path: Path) -> None:
    for level in (0, WHITE_16):
        made = Film(
            frames=1,
            codec="ffv1",
            pixel_format="yuv420p10le",
            pixels=lambda _, level=level: np.full((HEIGHT, WIDTH, 3), level, np.uint16),
            pixel_input="rgb48le",
        )
        picture = shown(made.write(tmp_path / f"{level}.mkv"))
        np.testing.assert_allclose(picture, level / WHITE_16, atol=0.0006)


def hdr_film(path: Path, transfer: str) -> Path:
    tags = {"colorspace": BT2020, "color_primaries": BT2020, "color_trc": HLG if transfer == "hlg" else PQ}
    made = Film(
        frames=2,
        codec="libx265",
        pixel_format="yuv420p10le",
        matrix="bt2020",
        tags=tags,
        options={"crf": "4", "x265-params": X265},
        pixels=lambda _: hdr_patches(transfer),
        pixel_input="rgb48le",
    )
    return made.write(path)


@pytest.mark.parametrize("transfer", ["hlg", "pq"])
def test_hdr_is_mapped_to_what_ordinary_screens_show(tmp_path: Path, transfer: str) -> None:
    path = hdr_film(tmp_path / "phone.mov", transfer)
    np.testing.assert_allclose(colours(shown(path)), EXPECTED, atol=4)
    washed_out = colours(shown(path, "as_stored"))
    assert abs(washed_out[0, 0] - RED[0]) > 50


@pytest.mark.parametrize(("transfer", "trc"), [("hlg", HLG), ("pq", PQ)])
def test_hdr_that_is_encoded_anew_stays_hdr(tmp_path: Path, transfer: str, trc: int) -> None:
    import av

    path = hdr_film(tmp_path / "phone.mov", transfer)
    transcoding.transcode(film.look(path), tmp_path / "a.mp4", "mp4", writing.Encoding(crf=5), {})
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.color_trc, stream.colorspace, stream.format.name) == (trc, BT2020, "yuv420p10le")
    np.testing.assert_allclose(colours(shown(tmp_path / "a.mp4")), EXPECTED, atol=5)


def test_the_shoulder_is_smooth_and_keeps_what_is_below_the_knee() -> None:
    light = np.linspace(0, 5, 5001, dtype=np.float32)
    rolled = tone.shoulder(light, 5.0)
    np.testing.assert_array_equal(rolled[light <= 0.75], light[light <= 0.75])
    assert rolled[-1] == pytest.approx(1.0)
    slopes = np.diff(rolled) / np.diff(light)
    assert (slopes > 0).all()
    assert np.abs(np.diff(slopes)).max() < 0.01, "no kink at the knee"
    assert tone.shoulder(np.float32([50.0]), 5.0)[0] == pytest.approx(1.0)


@pytest.mark.parametrize("first_fields", [0, 2])
def test_interlaced_films_are_deinterlaced(tmp_path: Path, first_fields: int) -> None:
    """Also where they begin with frames that have no fields, as recordings of broadcasts do."""
    fields = {"x264-params": "tff=1", "crf": "10"}
    parts = [Film(frames=6, pixels=two_fields, options=fields).write(tmp_path / "fields.ts")]
    if first_fields:
        parts.insert(0, Film(frames=first_fields).write(tmp_path / "plain.ts"))
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    picture = shown_at(path, first_fields + 3)
    combed = np.abs(picture[1:-1, :, 0] - (picture[:-2, :, 0] + picture[2:, :, 0]) / 2).mean()
    assert combed < 0.02, "lines alternate where fields of two times are woven: 0.06"


def shown_at(path: Path, number: int) -> np.ndarray:
    return images.image_of(film.look(path), "sdr").pixels[number].numpy()


def see_through(number: int) -> np.ndarray:
    picture = np.dstack([patches(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    picture[: HEIGHT // 2, :, 3] = 64
    return picture


@pytest.mark.parametrize(
    "made",
    [
        Film(frames=2, codec="libvpx-vp9", pixel_format="yuva420p", container="webm"),
        Film(frames=2, codec="prores_ks", pixel_format="yuva444p10le", container="mov", matrix="bt709"),
        Film(frames=2, codec="qtrle", pixel_format="argb", container="mov"),
    ],
)
def test_alpha_is_a_fourth_channel(tmp_path: Path, made: Film) -> None:
    made.pixels, made.pixel_input = see_through, "rgba"
    picture = images.image_of(film.look(made.write(tmp_path / "a.film")), "sdr").pixels[1]
    assert picture.shape == (HEIGHT, WIDTH, 4)
    assert picture[10, 10, 3].item() == pytest.approx(64 / 255, abs=0.02)
    assert picture[-10, 10, 3].item() == pytest.approx(1.0, abs=0.005)


def test_written_films_are_tagged_and_read_as_they_were(tmp_path: Path) -> None:
    import av

    pixels = torch.from_numpy(patches()).float().div(255).repeat(3, 1, 1, 1)
    for suffix, encoding in (
        ("mp4", writing.Encoding(crf=5)),
        ("mp4", writing.Encoding(crf=5, bit_depth=10)),
        ("webm", writing.Encoding("vp9", crf=5)),
        ("webm", writing.Encoding("av1", crf=5)),
        ("mkv", writing.Encoding("h264", crf=5)),
    ):
        path = tmp_path / f"a.{suffix}"
        frames = (picture.numpy() for picture in pixels)
        writing.write(path, suffix, frames, (WIDTH, HEIGHT), 23.976, encoding)
        with av.open(str(path)) as container:
            stream: Any = container.streams.video[0]
            assert (stream.colorspace, stream.color_primaries, stream.color_trc, stream.color_range) == (1, 1, 1, 1)
        found = film.look(path)
        assert str(found.clock.rate) == "24000/1001"
        assert found.meaning.bits == (10 if encoding.bit_depth == 10 or encoding.codec == "av1" else 8)
        np.testing.assert_allclose(colours(shown(path)), EXPECTED, atol=2.5)
