"""Media files as people have them, read here, by the ffmpeg program and by a ComfyUI, against what they are.

``python -m benchmarks.media FOLDER [--comfyui http://127.0.0.1:8188]`` makes the files in FOLDER and prints a row each.
The exit code is 1 where one is read wrongly here. ``--speed`` also times a 1080p film against PyAV's plain loop.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.media.readers import Found, by_comfyui, by_ffmpeg, ours
from benchmarks.media.row import Row
from benchmarks.media.rows import rows

Look = Callable[[Row, Path], Found]
_TOLERANCES = {"corners": 3.0, "alpha": 2.0, "length_s": 0.045, "onset_s": 0.045, "sound_s": 0.045, "rate": 1e-6}
_WIDTH = 44


def faults(row: Row, found: Found) -> list[str]:
    """What differs from what the file is; values that were not looked at do not count."""
    said = []
    for key, wanted in row.expected.items():
        if key not in found:
            continue
        tolerance = row.tolerances.get(key, _TOLERANCES.get(key, 0.0))
        seen, right = np.asarray(found[key], dtype=float), np.asarray(wanted, dtype=float)
        off = float(np.abs(seen - right).max()) if seen.shape == right.shape else np.inf
        if not off <= tolerance:
            said.append(f"{key} off by {off:.0f}" if key == "corners" else f"{key} {found[key]}")
    return said


def told(row: Row, look: Look, path: Path) -> str:
    """``right``, ``nothing`` where nothing was found, or what is wrong."""
    try:
        found = look(row, path)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is a row of the table
        message = f"{type(error).__name__}: {error}"
        refused = row.refused is not None and (look is not ours or row.refused in message)
        return "right" if refused else " ".join(message.split())
    if row.refused is not None:
        return "is not refused" if found else "right"
    return ", ".join(faults(row, found)) or ("right" if found else "nothing")


def ffmpeg_program() -> str | None:
    """The ffmpeg on the path, or the one that imageio-ffmpeg brings."""
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            import imageio_ffmpeg

            return str(imageio_ffmpeg.get_ffmpeg_exe())
        except (ImportError, RuntimeError):
            return None
    return found


def main() -> int:
    """Make the files, look at them, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--comfyui", help="address of a ComfyUI to compare with")
    parser.add_argument("--speed", action="store_true", help="time a 1080p film against PyAV's plain loop")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Look] = {"here": ours}
    if program := ffmpeg_program():
        columns["ffmpeg"] = lambda row, path: by_ffmpeg(program, row, path)
    if options.comfyui:
        columns["comfyui"] = lambda row, path: by_comfyui(options.comfyui, row, path)
    wrong = print_table(options.folder, columns)
    if options.speed:
        from benchmarks.media.speed import print_speed

        print_speed(options.folder)
    return 1 if wrong else 0


def print_table(folder: Path, columns: dict[str, Look]) -> int:
    """A line for each row and one with counts; how many are wrong in the first column."""
    print(f"{'file':34}" + "".join(f"{name:{_WIDTH}}" for name in columns))
    counts = dict.fromkeys(columns, 0)
    all_rows = rows()
    for row in all_rows:
        path = folder / row.file
        row.make(path)
        cells = []
        for name, look in columns.items():
            # What is written here was not written by the others.
            cells.append(told(row, look, path) if name != "comfyui" or row.kind != "written" else "-")
            counts[name] += cells[-1] not in ("right", "-")
        print(f"{row.name:34}" + "".join(f"{cell[: _WIDTH - 2]:{_WIDTH}}" for cell in cells))
    print(f"of {len(all_rows)} rows wrong: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts["here"]
