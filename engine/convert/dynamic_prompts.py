"""Prompts with alternatives, ``a {red|blue} car``: the front end picks one of each before it submits."""

from __future__ import annotations

import random
import re
import zlib

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_PART = re.compile(r"\\.|[{}|]|[^\\{}|]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")


def pick_alternatives(text: str) -> str:
    """Take comments (``//`` and ``/* */``) out and replace every ``{a|b}``, also nested, by one of its alternatives.

    A backslash keeps a brace or bar as it is; a group that is not closed ends with the text. The choice depends on the
    text alone, so that converting twice gives the same workflow.
    """
    text = _COMMENT.sub("", text)
    chooser = random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass")))  # noqa: S311
    # Open groups, outermost first; each is its alternatives so far. The first one is the text itself.
    groups: list[list[str]] = [[""]]
    for part in _PART.findall(text):
        if part == "{":
            groups.append([""])
        elif part == "}" and len(groups) > 1:
            chosen = chooser.choice(groups.pop())
            groups[-1][-1] += chosen
        elif part == "|" and len(groups) > 1:
            groups[-1].append("")
        else:
            groups[-1][-1] += part
    while len(groups) > 1:
        chosen = chooser.choice(groups.pop())
        groups[-1][-1] += chosen
    return _ESCAPED.sub(r"\1", groups[0][0])
