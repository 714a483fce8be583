"""Records a command as it looks on a terminal: ``python -m benchmarks.terminal docs/terminal.webp dagfusion run ...``.

The command runs on a real pseudo-terminal; what it writes goes through a terminal emulator (pyte, of the development
tools), whose screen is drawn (in the font that comes with matplotlib) each time that it has changed. Waits are cut.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS, ROWS = 86, 7
LONGEST_WAIT_S = 0.8
LAST_S = 4.0
_FRAME_S = 0.1
_FONT_PX = 15
_MARGIN_PX = 14
_BACKGROUND, _PLAIN = "#16181d", "#d7dae0"
_COLOURS = {
    "default": _PLAIN,
    "black": "#3b4048",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": _PLAIN,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A character on the screen; ``colour`` as pyte names it, or six hexadecimal digits."""

    text: str = " "
    colour: str = "default"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A screen, ``cells`` row by row, that was to be seen for ``seconds``."""

    cells: tuple[tuple[Cell, ...], ...]
    seconds: float

    @property
    def text(self) -> str:
        """Its lines without what ends in spaces."""
        return "\n".join("".join(cell.text for cell in row).rstrip() for row in self.cells).rstrip()


def record(command: Sequence[str], folder: Path, *, columns: int = COLUMNS, rows: int = ROWS) -> list[Frame]:
    """What the command's terminal showed, from the line that starts it on. Raises ``CalledProcessError``."""
    import pyte

    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[1m$\x1b[0m {shlex.join(command)}\r\n".encode())
    frames = [Frame(_cells(screen), 1.0)]
    since = time.monotonic()
    for data in _output(command, folder, columns, rows):
        now = time.monotonic()
        if data:
            stream.feed(data)
        if now - since >= _FRAME_S and (cells := _cells(screen)) != frames[-1].cells:
            if len(frames) > 1:  # the line that starts it stands for a second, however long the start takes
                frames[-1] = Frame(frames[-1].cells, min(now - since, LONGEST_WAIT_S))
            frames.append(Frame(cells, _FRAME_S))
            since = now
    frames.append(Frame(_cells(screen), LAST_S))
    return frames


def _output(command: Sequence[str], folder: Path, columns: int, rows: int) -> Any:
    """The bytes that the command writes to its terminal, as they come; empty ones while it is silent."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows)}
    process = subprocess.Popen(command, cwd=folder, stdin=its, stdout=its, stderr=its, env=environment, close_fds=True)
    os.close(its)
    try:
        while True:
            if not select.select([ours], [], [], _FRAME_S)[0]:
                yield b""
                continue
            try:
                data = os.read(ours, 2**16)
            except OSError:  # as Linux says that nobody has the other end any more
                break
            if not data:
                break
            yield data
    finally:
        os.close(ours)
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, command)


def _cells(screen: Any) -> tuple[tuple[Cell, ...], ...]:
    lines = (screen.buffer[y] for y in range(screen.lines))
    return tuple(tuple(Cell(c.data, c.fg, c.bold) for c in (line[x] for x in range(screen.columns))) for line in lines)


def save(frames: Sequence[Frame], path: Path) -> None:
    """An animated WebP that plays again and again."""
    pictures = [draw(frame) for frame in frames]
    milliseconds = [max(20, round(1000 * frame.seconds)) for frame in frames]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, lossless=True, method=6
    )


def draw(frame: Frame) -> Image:
    """The screen as a picture."""
    from PIL import Image, ImageDraw

    fonts = {bold: _font("DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf") for bold in (False, True)}
    width = round(fonts[False].getlength("M"))
    height = round(_FONT_PX * 1.3)
    size = (len(frame.cells[0]) * width + 2 * _MARGIN_PX, len(frame.cells) * height + 2 * _MARGIN_PX)
    picture = Image.new("RGB", size, _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    for y, row in enumerate(frame.cells):
        for x, cell in enumerate(row):
            if cell.text.strip():
                place = (_MARGIN_PX + x * width, _MARGIN_PX + y * height)
                pen.text(place, cell.text, _colour(cell.colour), font=fonts[cell.bold])
    return picture


def _font(name: str) -> Any:
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, _FONT_PX)


def _colour(name: str) -> str:
    return _COLOURS.get(name.removeprefix("bright"), f"#{name}" if len(name) == 6 else _PLAIN)


def main() -> None:
    """Record the command that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE.webp")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    frames = record(given.command, Path.cwd())
    save(frames, given.out)
    print(f"{given.out}: {len(frames)} frames, {given.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
