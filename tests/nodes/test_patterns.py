"""Regular expressions mean what Python's mean, and end."""

from __future__ import annotations

import re
import threading
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.context import Context
from engine.errors import Cancelled, InputInvalid
from engine.folders import Folders
from engine.limits import Limits
from nodes import patterns, strings

CTX = Context(Folders(), None)  # type: ignore[arg-type]  # no text node asks for models
CATASTROPHES = [(r"(a|a)*$", "a" * 40 + "b"), (r"(?:a|aa)+$", "a" * 60 + "b"), (r"(.*?,){15}P", "1," * 40)]


# But for \B in an empty text, which finds nothing in Python before 3.14.
@settings(max_examples=400)
@given(
    st.text("ab[]{}^$.*+?()|\\d1,e:-&&~wsWb=!<>P'\n ", max_size=14),
    st.text("ab{}[]:e1, \n&-~^$", max_size=12),
    st.sampled_from([0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.IGNORECASE | re.DOTALL]),
)
def test_a_pattern_finds_what_it_finds_in_python(pattern: str, text: str, flags: int) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            expected = [(one.span(), one.groups()) for one in re.compile(pattern, flags).finditer(text)]
    except (re.error, OverflowError):
        assert patterns.compiled(pattern, flags) is None
        return
    made = patterns.compiled(pattern, flags)
    assert made is not None
    assert [(one.span(), one.groups()) for one in made.all(text)] == expected


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"(?:cat){e}", "cat{e}", ["cat{e}"]),  # not: with errors
        (r"[[:alpha:]]", ":]", [":]"]),  # not: a letter
        (r"\N{DIGIT ONE}{2}", "11", ["11"]),
        (r"[]{[^]+", "{[^", ["{[^"]),
        (r"a{,2}b", "aab", ["aab"]),
        (r"(?<=a)b|(\w)\1", "ab cc", ["b", "cc"]),  # neither of which an engine without backtracking knows
    ],
)
def test_what_the_engine_writes_otherwise(pattern: str, text: str, found: list[str]) -> None:
    made = patterns.compiled(pattern, 0)
    assert made is not None
    assert [one.group() for one in made.all(text)] == found == [one.group() for one in re.finditer(pattern, text)]


@pytest.mark.parametrize("pattern", ["(" * 3000 + ")" * 3000, "a{" + "9" * 30 + "}", r"\p{L}", r"(?|a|b)", "(", "a**"])
def test_what_python_refuses_is_no_pattern(pattern: str) -> None:
    assert patterns.compiled(pattern, 0) is None


@pytest.mark.parametrize(("pattern", "text"), CATASTROPHES)
def test_endless_backtracking_is_stopped_and_other_threads_go_on(
    pattern: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "TIME_LIMIT_S", 0.2)
    ended = threading.Event()
    failures: list[InputInvalid] = []
    searches: list[tuple[float, float]] = []
    moments = [time.monotonic()]  # at which this thread had the interpreter, a millisecond apart

    def search() -> None:
        for node in (
            lambda: strings.match_regex(CTX, string=text, regex_pattern=pattern, case_insensitive=False),
            lambda: strings.extract_regex(CTX, string=text, regex_pattern=pattern, mode="All Matches"),
            lambda: strings.replace_regex(CTX, string=text, regex_pattern=pattern, replace="b"),
        ):
            began = time.monotonic()
            try:
                node()
            except InputInvalid as error:
                failures.append(error)
            searches.append((began, time.monotonic()))
        ended.set()

    thread = threading.Thread(target=search)
    thread.start()
    while not ended.is_set():
        if time.monotonic() > moments[-1] + 0.001:
            moments.append(time.monotonic())
    thread.join()
    assert [error.input for error in failures] == ["regex_pattern"] * 3
    assert "takes more than" in failures[0].message and failures[0].remedy
    for began, end in searches:
        quarter = (end - began) / 4
        assert any(began + quarter < moment < end - quarter for moment in moments), "the interpreter was held"


def test_a_replacement_makes_no_more_than_a_node_may() -> None:
    ctx = Context(Folders(), None, limits=Limits(text_bytes=1000))  # type: ignore[arg-type]
    with pytest.raises(InputInvalid, match="text"):
        strings.replace_regex(ctx, string="a" * 500, regex_pattern="a", replace="1234567890")
    with pytest.raises(InputInvalid, match="text"):
        strings.replace(ctx, string="a" * 500, find="a", replace="b" * 500)
    assert strings.replace(ctx, string="a" * 500, find="a", replace="bb") == "b" * 1000


def test_a_replacement_can_be_cancelled() -> None:
    ctx = Context(Folders(), None)  # type: ignore[arg-type]
    ctx.cancel.cancel()
    with pytest.raises(Cancelled):
        strings.replace_regex(ctx, string="a" * 500, regex_pattern="a", replace="b")
