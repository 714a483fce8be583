"""Media files as people have them, and what each of them is: the rows of ``benchmarks.media``."""

from __future__ import annotations

from benchmarks.media_row import Row
from benchmarks.media_rows_colours import colour_rows
from benchmarks.media_rows_faulty import faulty_rows
from benchmarks.media_rows_films import film_rows
from benchmarks.media_rows_sounds import sound_rows
from benchmarks.media_rows_stills import still_rows
from benchmarks.media_rows_written import written_rows


def rows() -> list[Row]:
    """All of them."""
    return [*film_rows(), *colour_rows(), *sound_rows(), *still_rows(), *faulty_rows(), *written_rows()]
