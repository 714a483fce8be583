"""Names of output files: ``prefix_00001_.png``, never over another file, never outside the folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import InputInvalid

_DATE_FIELD = re.compile(r"d{1,2}|M{1,2}|h{1,2}|m{1,2}|s{1,2}|yyyy|yy")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_BATCH_NUMBER = "%batch_num%"
_DEFAULT_STEM = "ComfyUI"


class OutputPlace(NamedTuple):
    """Where a series of files goes: ``stem`` with a counter behind it, in ``subfolder``, which may be empty."""

    subfolder: str
    stem: str

    def stem_of(self, number: int) -> str:
        """Of the series' file with this number, which ``%batch_num%`` stands for."""
        return self.stem.replace(_BATCH_NUMBER, str(number))


def place_in(root: Path, prefix: str, text: str) -> OutputPlace:
    """The place below ``root`` that a prefix names, whose variables are replaced in ``text``.

    Raises ``InputInvalid`` for a prefix that leaves ``root``, by name or through a symbolic link.
    """
    path = os.path.normpath(text.replace("\\", "/")) if text else _DEFAULT_STEM
    subfolder, stem = os.path.split(path)
    stem = _DEFAULT_STEM if stem in ("", ".") else stem
    if os.path.isabs(path) or ".." in path.split("/") or "\0" in path or re.match(r"[A-Za-z]:", path):
        raise _leaves(prefix)
    if not (root / subfolder).resolve().is_relative_to(root.resolve()):
        raise _leaves(prefix)
    return OutputPlace(subfolder, stem)


def expand_prefix(
    prefix: str,
    *,
    width_px: int,
    height_px: int,
    prompt: Mapping[str, Any],
    now: time.struct_time | None = None,
) -> str:
    """Replace ``%width%``, ``%height%``, ``%year%`` ... ``%second%``, ``%date:yyyy-MM-dd%`` and ``%node.input%``.

    ``%node.input%`` is a typed-in value of the workflow's first node with that title or class. What is not known
    stays as it stands, and so does ``%batch_num%``, which each file fills in.
    """
    now = now or time.localtime()
    known = {
        "width": str(width_px),
        "height": str(height_px),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }

    def value(name: str) -> str | None:
        if name in known:
            return known[name]
        if name.startswith("date:"):
            return _UNSAFE.sub("_", _format_date(name.removeprefix("date:"), now))
        found = _widget_value(name, prompt)
        return None if found is None else _UNSAFE.sub("_", found)

    # A percent sign may stand for itself, so what is between two of them is tried, and skipped up to the second.
    done, *rest = prefix.split("%")
    while len(rest) > 1:
        found = value(rest[0])
        done += f"%{rest.pop(0)}" if found is None else found + rest[1]
        if found is not None:
            del rest[:2]
    return "%".join([done, *rest])


def _format_date(text: str, now: time.struct_time) -> str:
    numbers = {"d": now.tm_mday, "M": now.tm_mon, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def value(match: re.Match[str]) -> str:
        letters = match.group(0)
        if letters[0] == "y":
            return str(now.tm_year)[-len(letters) :]
        return str(numbers[letters[0]]).zfill(len(letters))

    return _DATE_FIELD.sub(value, text)


def _widget_value(name: str, prompt: Mapping[str, Any]) -> str | None:
    node_name, _, widget = name.rpartition(".")
    for key in ("title", "class_type"):
        for node in prompt.values():
            if not isinstance(node, Mapping):
                continue
            called = node.get("_meta", {}).get("title") if key == "title" else node.get("class_type")
            value = node.get("inputs", {}).get(widget)
            if node_name and called == node_name and isinstance(value, str | int | float):
                return str(value)
    return None


def next_number(directory: Path, stem: str) -> int:
    """One more than the largest number that a file of this stem has. Raises ``OSError``."""
    pattern = re.compile(re.escape(stem).replace(re.escape(_BATCH_NUMBER), r"\d+") + r"_(\d+)_")
    matches = map(pattern.match, os.listdir(directory))
    return 1 + max((int(match.group(1)) for match in matches if match), default=0)


def rename_to_new(part: Path, target: Path) -> None:
    """Give ``part`` the name ``target``, which must not exist yet. Raises ``FileExistsError`` where it does."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system: claim the name, then replace the empty file that claims it.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(part, target)


def _leaves(prefix: str) -> InputInvalid:
    return InputInvalid(
        f"prefix '{prefix}' leaves the output folder",
        input="filename_prefix",
        remedy="use a relative name without '..'",
    )
