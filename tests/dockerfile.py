"""Reads the Dockerfile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def instructions(target: str | None = None) -> list[tuple[str, str]]:
    """The Dockerfile's instructions, word and rest; of one stage, or of all."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    found = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]
    if target is None:
        return found
    starts = [i for i, (word, _) in enumerate(found) if word == "FROM"]
    start = next(i for i in starts if found[i][1].endswith(f" AS {target}"))
    return found[start : next((i for i in starts if i > start), None)]
