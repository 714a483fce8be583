"""Reading and writing a 1080p film, against PyAV's plain loop: the ratio of the best of several tries."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.media.films import Film
from engine.types import Image
from nodes.media import film, images, writing

_SIZE, _FRAMES, _TRIES = (1920, 1080), 48, 5


def print_speed(folder: Path) -> None:
    """Two lines: the ratios, and seconds for each side."""
    path = _moving().write(folder / "speed.mp4")
    pixels = _read_plainly(path)
    for what, plain, ours in (
        ("reading", lambda: _read_plainly(path), lambda: images.tensor_of(film.look(path), "sdr")),
        (
            "writing",
            lambda: _write_plainly(pixels[:24], folder / "plain.mp4"),
            lambda: images.write(folder / "ours.mp4", "mp4", Image(pixels[:24]), 24, writing.Encoding()),
        ),
    ):
        ours_s, plain_s = _best(ours), _best(plain)
        print(f"{what} 1080p: {ours_s / plain_s:.2f} of PyAV's plain loop ({ours_s:.2f} s, {plain_s:.2f} s)")


def _moving() -> Film:
    down, across = np.mgrid[0 : _SIZE[1], 0 : _SIZE[0]]
    base = np.stack([across // 5, down // 3, (across + down) // 7], -1).astype(np.uint8)
    film_options = {"preset": "veryfast", "bf": "2"}
    return Film(
        frames=_FRAMES,
        rate=Fraction(24),
        size=_SIZE,
        options=film_options,
        matrix="bt709",
        pixels=lambda number: np.roll(base, 4 * number, axis=1),
    )


def _best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _read_plainly(path: Path) -> torch.Tensor:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    pixels = torch.empty(len(frames), *frames[0].shape)
    for target, levels in zip(pixels, frames, strict=True):
        torch.div(torch.from_numpy(levels), 255.0, out=target)
    return pixels


def _write_plainly(pixels: torch.Tensor, path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in pixels:
            levels = (picture * 255).clamp(0, 255).byte().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        container.mux(stream.encode(None))
