"""Keeps this machine's paths out of what callers are told: of a file they learn its name, not where it is."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

# A path of at least two parts: in quotes up to the closing one, else up to what ends a word.
_QUOTED = re.compile(r"(['\"`])(/[^/'\"`\n]+/[^'\"`\n]*)\1")
_BARE = re.compile(r"(?<![\w/.:~@%?=&-])/[^\s/'\"`:,;()<>|\[\]{}]+(?:/[^\s/'\"`:,;()<>|\[\]{}]+)+/?")


def hide_paths(value: Any) -> Any:
    """The same value, in whose texts absolute paths of this machine are cut down to their last part.

    A path is this machine's where its first folder is one here; ``/v1/jobs`` and the like stay.
    """
    if isinstance(value, str):
        return _without(value) if "/" in value else value
    if isinstance(value, dict):
        return {hide_paths(key): hide_paths(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_paths(item) for item in value]
    return value


def _without(text: str) -> str:
    text = _QUOTED.sub(lambda found: f"{found[1]}{_name(found[2])}{found[1]}", text)
    return _BARE.sub(lambda found: _name(found[0]), text)


def _name(path: str) -> str:
    first, *_, last = path.strip("/").split("/")
    return last if _is_here(first) else path


@lru_cache(maxsize=1024)
def _is_here(first: str) -> bool:
    try:
        return Path("/", first).is_dir()
    except (OSError, ValueError):
        return False
