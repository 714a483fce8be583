"""Media files as people have them, and what each of them is: the rows of ``benchmarks.media``."""

from __future__ import annotations

from benchmarks.media.row import Row
from benchmarks.media.rows.colours import colour_rows
from benchmarks.media.rows.faulty import faulty_rows
from benchmarks.media.rows.films import film_rows
from benchmarks.media.rows.sounds import sound_rows
from benchmarks.media.rows.stills import still_rows
from benchmarks.media.rows.written import written_rows


def rows() -> list[Row]:
    """All of them."""
    return [*film_rows(), *colour_rows(), *sound_rows(), *still_rows(), *faulty_rows(), *written_rows()]
