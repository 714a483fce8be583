"""Which files an input for media offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.file_inputs import offered_files
from engine.folders import Folders
from engine.inputs import FileChoice

FILES = [
    "a.png",
    "b.HEIC",
    "c.mp4",
    "d.3GP",
    "e.MTS",
    "f.ts",
    "g.flac",
    "h.gif",
    "i.safetensors",
    "j.txt",
    "k",
    "l.jxl",
]


@pytest.mark.parametrize(
    ("upload", "offered"),
    [
        ("image", ["a.png", "b.HEIC", "h.gif", "l.jxl"]),
        ("video", ["c.mp4", "d.3GP", "e.MTS", "f.ts", "h.gif"]),
        ("audio", ["c.mp4", "d.3GP", "e.MTS", "f.ts", "g.flac"]),
        (None, FILES),
    ],
)
def test_choices_are_files_of_the_kind(tmp_path: Path, upload: str | None, offered: list[str]) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    assert offered_files(FileChoice("input", upload=upload), Folders(input=tmp_path)) == offered
