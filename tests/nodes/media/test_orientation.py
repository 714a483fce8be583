"""Pictures stand upright, whatever a film's display matrix and pixel shape say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.media.films import BLUE, GREEN, GREY, RED, Film, colours
from nodes.media import copying, film, images, orientation, transcoding, writing

# What stands in the corners (top left, top right, bottom left, bottom right) once the film is upright.
TURNS = {
    "0": (RED, GREEN, BLUE, GREY),
    "90": (GREEN, GREY, RED, BLUE),
    "180": (GREY, BLUE, GREEN, RED),
    "270": (BLUE, RED, GREY, GREEN),
    "mirrored": (GREEN, RED, GREY, BLUE),
    "upside down": (BLUE, GREY, RED, GREEN),
    "90 mirrored": (RED, BLUE, GREEN, GREY),
    "270 mirrored": (GREY, GREEN, BLUE, RED),
}
ONE = 65536
MATRICES = {
    "0": (ONE, 0, 0, ONE),
    "90": (0, -ONE, ONE, 0),
    "180": (-ONE, 0, 0, -ONE),
    "270": (0, ONE, -ONE, 0),
    "mirrored": (-ONE, 0, 0, ONE),
    "upside down": (ONE, 0, 0, -ONE),
    "90 mirrored": (0, ONE, ONE, 0),
    "270 mirrored": (0, -ONE, -ONE, 0),
}


def turned(path: Path, name: str, codec: str = "libx264", pixel_format: str = "yuv420p") -> Path:
    a, b, c, d = MATRICES[name]
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    made = Film(frames=3, codec=codec, pixel_format=pixel_format, prepare=lambda s: s.set_display_matrix(matrix))
    return made.write(path)


def shown(path: Path) -> np.ndarray:
    return images.image_of(film.look(path), "sdr").pixels[1].numpy()


@pytest.mark.parametrize("name", TURNS)
def test_a_phone_s_film_is_upright(tmp_path: Path, name: str) -> None:
    picture = shown(turned(tmp_path / "phone.mp4", name))
    sideways = name.startswith(("90", "270"))
    assert picture.shape == ((128, 96, 3) if sideways else (96, 128, 3))
    np.testing.assert_allclose(colours(picture), TURNS[name], atol=4)


@pytest.mark.parametrize("name", TURNS)
def test_encoded_anew_it_is_upright_and_a_copy_keeps_its_turn(tmp_path: Path, name: str) -> None:
    path = turned(tmp_path / "phone.mp4", name)
    transcoding.transcode(film.look(path), tmp_path / "anew.mp4", "mp4", writing.Encoding(crf=10), {})
    assert film.look(tmp_path / "anew.mp4").orientation.upright
    assert copying.copied(path, tmp_path / "copy.mp4", "auto", "auto", {})
    for made in ("anew.mp4", "copy.mp4"):
        np.testing.assert_allclose(colours(shown(tmp_path / made)), TURNS[name], atol=4)


def test_prores_that_is_encoded_anew_keeps_its_turn(tmp_path: Path) -> None:
    path = turned(tmp_path / "phone.mov", "90", "prores_ks", "yuv422p10le")
    assert not copying.copied(path, tmp_path / "copy.mp4", "auto", "auto", {})
    assert not (tmp_path / "copy.mp4").exists()
    transcoding.transcode(film.look(path), tmp_path / "anew.mp4", "mp4", writing.Encoding(crf=10), {})
    assert shown(tmp_path / "anew.mp4").shape == (128, 96, 3)


@pytest.mark.parametrize(
    ("aspect", "turn", "size"),
    [(Fraction(4, 3), "0", (170, 96)), (Fraction(8, 9), "0", (114, 96)), (Fraction(4, 3), "90", (96, 170))],
)
def test_pixels_become_square(tmp_path: Path, aspect: Fraction, turn: str, size: tuple[int, int]) -> None:
    a, b, c, d = MATRICES[turn]

    def prepare(stream: object) -> None:
        stream.codec_context.sample_aspect_ratio = aspect  # type: ignore[attr-defined]
        stream.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))  # type: ignore[attr-defined]

    path = Film(frames=2, prepare=prepare).write(tmp_path / "wide.mp4")
    assert film.look(path).size == size
    assert shown(path).shape == (size[1], size[0], 3)
    transcoding.transcode(film.look(path), tmp_path / "anew.mp4", "mp4", writing.Encoding(), {})
    assert film.look(tmp_path / "anew.mp4").size == size


def test_a_matrix_between_right_angles_is_taken_to_the_nearest() -> None:
    def of(degrees: float) -> orientation.Orientation:
        turn = np.deg2rad(degrees)
        a, b = int(np.cos(turn) * ONE), int(np.sin(turn) * ONE)
        return orientation.of_matrix(np.array([a, b, 0, -b, a, 0, 0, 0, 1 << 30], np.int32).tobytes())

    assert of(10) == of(0) == orientation.UPRIGHT
    assert of(80) == of(100) == of(90) != of(-90)
    assert orientation.of_matrix(b"short") == orientation.of_matrix(None) == orientation.UPRIGHT
