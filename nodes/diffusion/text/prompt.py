"""The prompt language: weights in parentheses, escapes, and where names of embeddings begin."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from engine.errors import InputInvalid

EMPHASIS = 1.1
EMBEDDING = "embedding:"
MAX_NESTING = 200

# What escaped parentheses are while the others are read: control characters that no prompt has a use for.
_STAND_INS = {")": "\0\1", "(": "\0\2"}
_EMBEDDING_STARTS = re.compile(f"[ \n](?={EMBEDDING})")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt that is tokenised in one go, and how much it counts: 1 = as it is."""

    text: str
    weight: float


def parse(prompt: str) -> list[Segment]:
    r"""The prompt's pieces in order. Parentheses that do not match are text, so nearly every text is a prompt.

    ``(text)`` multiplies the weight around it by 1.1, ``(text:1.3)`` sets it to 1.3, and both nest. ``\(`` and
    ``\)`` are parentheses themselves; square brackets mean nothing. A piece is cut in front of each
    ``embedding:`` that follows a space or a new line. Raises ``InputInvalid`` for more than 200 nested weights.
    """
    for plain, stand_in in _STAND_INS.items():
        prompt = prompt.replace("\\" + plain, stand_in)
    pieces = []
    for segment in _weighted(prompt):
        text = segment.text
        for plain, stand_in in _STAND_INS.items():
            text = text.replace(stand_in, plain)
        pieces += [Segment(part, segment.weight) for part in _EMBEDDING_STARTS.split(text) if part]
    return pieces


def _weighted(prompt: str) -> list[Segment]:
    done: list[Segment] = []
    waiting = [(part, 1.0, 0) for part in reversed(_outermost(prompt))]
    while waiting:
        part, weight, depth = waiting.pop()
        if len(part) < 2 or part[0] != "(" or part[-1] != ")":
            done.append(Segment(part, weight))
            continue
        if depth == MAX_NESTING:
            raise InputInvalid(f"a prompt nests weights more than {MAX_NESTING} deep", remedy="write (text:1.5)")
        inner = _weigh(part[1:-1], weight)
        waiting += [(part, inner.weight, depth + 1) for part in reversed(_outermost(inner.text))]
    return done


def _weigh(inside: str, outer: float) -> Segment:
    """What parentheses around ``inside`` mean where the weight is ``outer``."""
    text, _, number = inside.rpartition(":")
    if text:
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if math.isfinite(weight):
            return Segment(text, weight)
    return Segment(inside, outer * EMPHASIS)


def _outermost(text: str) -> list[str]:
    """``text`` cut around its outermost pairs of parentheses; what follows one that stays open is not cut."""
    parts: list[str] = []
    start = level = 0
    for found in re.finditer("[()]", text):
        if found[0] == "(":
            if level == 0:
                parts.append(text[start : found.start()])
                start = found.start()
            level += 1
        else:
            level -= 1
            if level == 0:
                parts.append(text[start : found.end()])
                start = found.end()
    return [part for part in (*parts, text[start:]) if part]
