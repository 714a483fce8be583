r"""Python's regular expressions with a bound on their time, which some patterns would need without end.

The syntax is that of :mod:`re`, which reads each pattern first; the matching is that of :mod:`regex`, which can be
stopped and lets other threads work. What means something else there is written so that it does not: braces that are no
repetition (there: fuzzy matching) and brackets within a class (there: ``[[:alpha:]]``).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import lazy_loader as lazy

from engine.errors import InputInvalid

if TYPE_CHECKING:
    import regex
else:
    regex = lazy.load("regex")

TIME_LIMIT_S = 10.0  # of the processor, for all of one call
_TOKEN = re.compile(r"\\N\{[^}]*\}|\\.|\{(?:\d+(?:,\d*)?|,\d*)\}|.", re.DOTALL)
_SUGGESTION = "avoid a repetition within a repetition, as in (a+)+, or make the text shorter"


class Pattern:
    """A compiled pattern. Each method raises ``InputInvalid`` where it would take longer than :data:`TIME_LIMIT_S`."""

    def __init__(self, compiled: regex.Pattern[str]) -> None:
        self._compiled = compiled
        self.groups: int = compiled.groups

    def search(self, text: str) -> regex.Match[str] | None:
        """The first match."""
        with _stopping():
            return self._compiled.search(text, timeout=TIME_LIMIT_S, concurrent=True)

    def all(self, text: str) -> Iterator[regex.Match[str]]:
        """Every match, one after the other."""
        with _stopping():
            yield from self._compiled.finditer(text, timeout=TIME_LIMIT_S, concurrent=True)

    def replaced(self, text: str, by: Callable[[regex.Match[str]], str], count: int) -> str:
        """The first ``count`` matches, or all where it is 0, replaced by what ``by`` makes of them."""
        with _stopping():
            made: str = self._compiled.sub(by, text, count=count, timeout=TIME_LIMIT_S, concurrent=True)
            return made


def compiled(pattern: str, flags: int) -> Pattern | None:
    """``None`` for what is no regular expression of Python's. ``flags``: of :mod:`re`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(pattern, flags)
        return Pattern(regex.compile(_as_in_re(pattern), flags | regex.VERSION0))
    except (re.error, regex.error, RecursionError, OverflowError):
        return None


def _as_in_re(pattern: str) -> str:
    """The pattern, written so that it means in :mod:`regex` what it means in :mod:`re`."""
    written: list[str] = []
    in_class, may_close = False, False
    for part in _TOKEN.findall(pattern):
        if in_class:
            closes = part == "]" and may_close
            written.append(rf"\{part}" if part == "[" else part)
            may_close = may_close or part != "^" or written[-2] != "["
            in_class = not closes
        elif part == "[":
            in_class, may_close = True, False
            written.append(part)
        else:
            written.append(rf"\{part}" if part == "{" else part)
    return "".join(written)


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        message = f"the pattern takes more than {TIME_LIMIT_S:g} s with this text"
        raise InputInvalid(message, input="regex_pattern", remedy=_SUGGESTION) from error
