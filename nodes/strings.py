"""Texts: joining, cutting, comparing and searching them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid, shortened
from engine.inputs import Bool, Choice, Int
from engine.registry import node
from nodes import patterns
from nodes.picture_inputs import Lines

if TYPE_CHECKING:
    import regex
else:
    regex = lazy.load("regex")

_CATEGORY = "utils/string"


class Contains(NamedTuple):
    """Whether a text was found."""

    contains: bool


class CharacterCount(NamedTuple):
    """A number of characters."""

    length: int


class Matches(NamedTuple):
    """Whether a pattern was found."""

    matches: bool


@node("StringConcatenate", category=_CATEGORY, display_name="Concatenate")
def concatenate(ctx: Context, *, string_a: Lines, string_b: Lines, delimiter: str = "") -> str:
    """Both texts with the delimiter between."""
    return f"{string_a}{delimiter}{string_b}"


@node("StringSubstring", category=_CATEGORY, display_name="Substring")
def substring(ctx: Context, *, string: Lines, start: int, end: int) -> str:
    """Characters from ``start`` up to before ``end``, counted from 0; negative numbers count from the end."""
    return string[start:end]


@node("StringLength", category=_CATEGORY, display_name="Length")
def length(ctx: Context, *, string: Lines) -> CharacterCount:
    """The number of characters."""
    return CharacterCount(len(string))


@node("CaseConverter", category=_CATEGORY, display_name="Case Converter")
def convert_case(
    ctx: Context,
    *,
    string: Lines,
    mode: Annotated[str, Choice("UPPERCASE", "lowercase", "Capitalize", "Title Case")],
) -> str:
    """The text in another case; ``Capitalize`` concerns the first letter alone."""
    convert = {"UPPERCASE": str.upper, "lowercase": str.lower, "Capitalize": str.capitalize, "Title Case": str.title}
    return convert[mode](string)


@node("StringTrim", category=_CATEGORY, display_name="Trim")
def trim(ctx: Context, *, string: Lines, mode: Annotated[str, Choice("Both", "Left", "Right")]) -> str:
    """Without white space at one or both ends."""
    return {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}[mode](string)


@node("StringReplace", category=_CATEGORY, display_name="Replace")
def replace(ctx: Context, *, string: Lines, find: Lines, replace: Lines) -> str:
    """Every occurrence of ``find`` replaced."""
    ctx.limits.check_text(len(string) + string.count(find) * (len(replace) - len(find)))
    return string.replace(find, replace)


@node("StringContains", category=_CATEGORY, display_name="Contains")
def contains(ctx: Context, *, string: Lines, substring: Lines, case_sensitive: bool = True) -> Contains:
    """Whether ``substring`` occurs."""
    string, substring = _same_case((string, substring), case_sensitive)
    return Contains(substring in string)


@node("StringCompare", category=_CATEGORY, display_name="Compare")
def compare(
    ctx: Context,
    *,
    string_a: Lines,
    string_b: Lines,
    mode: Annotated[str, Choice("Starts With", "Ends With", "Equal")],
    case_sensitive: bool = True,
) -> bool:
    """Whether ``string_a`` starts with, ends with or equals ``string_b``."""
    string_a, string_b = _same_case((string_a, string_b), case_sensitive)
    if mode == "Equal":
        return string_a == string_b
    return string_a.startswith(string_b) if mode == "Starts With" else string_a.endswith(string_b)


@node("RegexMatch", category=_CATEGORY, display_name="Regex Match")
def match_regex(
    ctx: Context,
    *,
    string: Lines,
    regex_pattern: Lines,
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
) -> Matches:
    """Whether the pattern (Python's ``re``) occurs; a faulty pattern does not."""
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    return Matches(pattern is not None and pattern.search(string) is not None)


@node("RegexExtract", category=_CATEGORY, display_name="Regex Extract")
def extract_regex(
    ctx: Context,
    *,
    string: Lines,
    regex_pattern: Lines,
    mode: Annotated[str, Choice("First Match", "All Matches", "First Group", "All Groups")],
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    group_index: Annotated[int, Int(min=0, max=100)] = 1,
) -> str:
    """What the pattern finds, or one of its groups; several finds a line each; empty where there is none.

    ``All Matches`` of a pattern with groups gives the first group. A faulty pattern finds nothing.
    """
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    if pattern is None:
        return ""
    groups = {"First Match": 0, "All Matches": min(1, pattern.groups)}
    group = groups.get(mode, group_index)
    if group > pattern.groups or (mode == "All Groups" and pattern.groups == 0):
        return ""
    if mode.startswith("First"):
        match = pattern.search(string)
        return (match.group(group) or "") if match else ""
    found = [match.group(group) for match in pattern.all(string)]
    return "\n".join(text or "" for text in found if text is not None or mode == "All Matches")


@node("RegexReplace", category=_CATEGORY, display_name="Regex Replace")
def replace_regex(
    ctx: Context,
    *,
    string: Lines,
    regex_pattern: Lines,
    replace: Lines,
    case_insensitive: Annotated[bool, Bool(optional=True)] = True,
    multiline: Annotated[bool, Bool(optional=True)] = False,
    dotall: Annotated[bool, Bool(optional=True)] = False,
    count: Annotated[int, Int(min=0, max=100, optional=True)] = 0,
) -> str:
    r"""Finds of the pattern replaced (``\1`` is the first group); the first ``count`` of them, all where it is 0."""
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    if pattern is None:
        raise InputInvalid(f"'{shortened(regex_pattern)}' is no regular expression", input="regex_pattern")
    made_chars = 0

    def replacement(match: regex.Match[str]) -> str:
        nonlocal made_chars
        made: str = match.expand(replace)
        made_chars += len(made)
        ctx.limits.check_text(made_chars)
        ctx.check_cancelled()
        return made

    try:
        return pattern.replaced(string, replacement, count)
    except (regex.error, IndexError) as error:
        raise InputInvalid(f"the replacement does not fit the pattern: {error}", input="replace") from error


def _same_case(texts: tuple[str, str], case_sensitive: bool) -> tuple[str, str]:
    return texts if case_sensitive else (texts[0].lower(), texts[1].lower())


def _compiled(pattern: str, case_insensitive: bool, multiline: bool, dotall: bool) -> patterns.Pattern | None:
    return patterns.compiled(pattern, re.IGNORECASE * case_insensitive | re.MULTILINE * multiline | re.DOTALL * dotall)
