"""Files with something wrong in them, as disks, networks and cut uploads leave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av

from benchmarks.media.films import Film

Make = Callable[[Path], object]


def spoiled(film: Film, kind: str, number: int) -> Make:
    """The film with rubbish in one packet's place."""

    def make(path: Path) -> None:
        film.write(path)
        with av.open(str(path)) as container:
            packet = [p for p in container.demux() if p.stream.type == kind and p.size][number]
            position, size = packet.pos, packet.size
        data = bytearray(path.read_bytes())
        data[position : position + size] = (b"\xff" if kind == "audio" else b"\x00") * size
        path.write_bytes(data)

    return make


def without_decoder(film: Film) -> Make:
    """The film, of PCM sound, with its sound said to be of a kind that nothing knows, as phones' spatial audio is."""

    def make(path: Path) -> None:
        data = film.write(path).read_bytes()
        assert data.count(b"sowt") == 1
        path.write_bytes(data.replace(b"sowt", b"xyzw"))

    return make


def cut(make: Make, kept: float) -> Make:
    """The first part of what ``make`` writes."""

    def made(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])

    return made
