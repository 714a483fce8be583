"""Text nodes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.context import Context
from engine.errors import InputInvalid
from engine.folders import Folders
from nodes import strings

CTX = Context(Folders(), None)  # type: ignore[arg-type]  # no text node asks for models


@settings(deadline=None)
@given(st.text(), st.text(), st.text(max_size=3))
def test_concatenate(a: str, b: str, delimiter: str) -> None:
    assert strings.concatenate(CTX, string_a=a, string_b=b, delimiter=delimiter) == a + delimiter + b


@settings(deadline=None)
@given(st.text(), st.integers(-20, 20), st.integers(-20, 20))
def test_substring_and_length(text: str, start: int, end: int) -> None:
    assert strings.substring(CTX, string=text, start=start, end=end) == text[start:end]
    assert strings.length(CTX, string=text) == (len(text),)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("UPPERCASE", "A RED FOX"), ("lowercase", "a red fox"), ("Capitalize", "A red fox"), ("Title Case", "A Red Fox")],
)
def test_case(mode: str, expected: str) -> None:
    assert strings.convert_case(CTX, string="a rEd fox", mode=mode) == expected


@pytest.mark.parametrize(("mode", "expected"), [("Both", "x"), ("Left", "x \n"), ("Right", " \tx")])
def test_trim(mode: str, expected: str) -> None:
    assert strings.trim(CTX, string=" \tx \n", mode=mode) == expected


def test_replace_and_contains() -> None:
    assert strings.replace(CTX, string="a.b.c", find=".", replace="") == "abc"
    assert strings.contains(CTX, string="A fox", substring="FOX", case_sensitive=False).contains
    assert not strings.contains(CTX, string="A fox", substring="FOX").contains


@pytest.mark.parametrize(
    ("mode", "a", "b", "expected"),
    [
        ("Starts With", "fox hill", "Fox", (False, True)),
        ("Ends With", "fox hill", "hill", (True, True)),
        ("Equal", "fox", "FOX", (False, True)),
        ("Equal", "fox", "fo", (False, False)),
    ],
)
def test_compare(mode: str, a: str, b: str, expected: tuple[bool, bool]) -> None:
    results = tuple(
        strings.compare(CTX, string_a=a, string_b=b, mode=mode, case_sensitive=sensitive) for sensitive in (True, False)
    )
    assert results == expected


def test_match() -> None:
    assert strings.match_regex(CTX, string="a\nFOX", regex_pattern="^fox$", multiline=True).matches
    assert not strings.match_regex(CTX, string="a\nFOX", regex_pattern="^fox$").matches
    assert strings.match_regex(CTX, string="a\nb", regex_pattern="a.b", dotall=True).matches
    assert not strings.match_regex(CTX, string="FOX", regex_pattern="fox", case_insensitive=False).matches
    assert not strings.match_regex(CTX, string="(", regex_pattern="(").matches


@pytest.mark.parametrize(
    ("pattern", "mode", "group", "expected"),
    [
        (r"\w+=\d", "First Match", 1, "a=1"),
        (r"\w+=\d", "All Matches", 1, "a=1\nb=2\nc=3"),
        (r"(\w+)=(\d)", "All Matches", 2, "a\nb\nc"),
        (r"(\w+)=(\d)", "First Group", 2, "1"),
        (r"(\w+)=(\d)", "First Group", 0, "a=1"),
        (r"(\w+)=(\d)", "First Group", 3, ""),
        (r"(\w+)=(\d)", "All Groups", 2, "1\n2\n3"),
        (r"(x)?\w=(\d)", "All Groups", 1, ""),
        (r"\w=\d", "All Groups", 0, ""),
        ("nothing", "First Match", 1, ""),
        ("nothing", "All Matches", 1, ""),
        ("(", "First Match", 1, ""),
    ],
)
def test_extract(pattern: str, mode: str, group: int, expected: str) -> None:
    out = strings.extract_regex(CTX, string="a=1, b=2; c=3", regex_pattern=pattern, mode=mode, group_index=group)
    assert out == expected


@settings(deadline=None)
@given(st.text("ab1 ", max_size=20), st.sampled_from([r"a+", r"(a)(b)?", r"\d", r"(b)|a"]))
def test_all_matches_are_findalls(text: str, pattern: str) -> None:
    found = re.findall(pattern, text, re.IGNORECASE)
    expected = "\n".join(each[0] if isinstance(each, tuple) else each for each in found)
    assert strings.extract_regex(CTX, string=text, regex_pattern=pattern, mode="All Matches") == expected


def test_regex_replace() -> None:
    assert strings.replace_regex(CTX, string="A1 b2", regex_pattern=r"([ab])(\d)", replace=r"\2\1") == "1A 2b"
    assert strings.replace_regex(CTX, string="aaa", regex_pattern="a", replace="b", count=2) == "bba"
    with pytest.raises(InputInvalid, match="no regular expression"):
        strings.replace_regex(CTX, string="a", regex_pattern="(", replace="")
    with pytest.raises(InputInvalid, match="does not fit"):
        strings.replace_regex(CTX, string="a", regex_pattern="a", replace=r"\1")
