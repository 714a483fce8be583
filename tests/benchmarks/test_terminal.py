"""The recording of a terminal in the documents, and what makes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.terminal import LAST_S, LONGEST_WAIT_S, draw, record, save

ROOT = Path(__file__).parents[2]
BAR = """
import sys
from rich.console import Console
from rich.progress import Progress
console = Console(stderr=True)
assert console.is_terminal and console.size.width == 120, console.size
with Progress(console=console) as progress:
    task = progress.add_task("steps", total=4)
    for _ in range(4):
        progress.advance(task)
        progress.refresh()
print("a \x1b[31mred\x1b[0m end")
"""


def test_bars_are_seen_as_a_real_terminal_shows_them(tmp_path: Path) -> None:
    (tmp_path / "bar.py").write_text(BAR)
    frames = record([sys.executable, "bar.py"], tmp_path, columns=120, rows=8)
    texts = [frame.text for frame in frames]
    assert texts[0].startswith("$ ") and texts[0].endswith(" bar.py") and "a red end" in texts[-1]
    (line,) = (line for line in texts[-1].splitlines() if line.startswith("steps"))
    assert "━" in line and "100%" in line  # the last state alone: what was written over is gone
    assert all(frame.seconds <= max(LONGEST_WAIT_S, 1) for frame in frames[:-1]) and frames[-1].seconds == LAST_S
    assert any(cell.colour == "red" for row in frames[-1].cells for cell in row)
    save(frames, tmp_path / "t.webp")
    with Image.open(tmp_path / "t.webp") as made:
        assert getattr(made, "n_frames", 1) > 1
        made.seek(made.n_frames - 1)  # type: ignore[attr-defined]
        assert made.convert("RGB").tobytes() == draw(frames[-1]).tobytes()


def test_a_command_that_fails_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        record([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_the_recording_in_the_documents_is_small_and_moves() -> None:
    path = ROOT / "docs" / "terminal.webp"
    assert path.stat().st_size < 300 * 1024
    with Image.open(path) as made:
        assert made.n_frames > 8  # type: ignore[attr-defined]
        seconds = 0.0
        for number in range(made.n_frames):  # type: ignore[attr-defined]
            made.seek(number)
            made.load()
            seconds += made.info["duration"] / 1000
        assert 4 < seconds < 30
