"""Texts in SVG files: JSON in a ``metadata`` element (https://www.w3.org/TR/SVG2/struct.html#MetadataElement)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = re.compile(r"<svg\b[^>]*>")


def embed(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    """An SVG with ``texts``, each a member of one JSON object, in the first element of its root.

    A file without a root element, or whose root is empty, is copied as it is.
    """
    document = source.read_text(encoding="utf-8")
    root = _ROOT.search(document)
    if texts and root is not None and not root[0].endswith("/>"):
        held = json.dumps({name: _value(text) for name, text in texts.items()}, indent=2)
        # The end of a CDATA section must not occur within it.
        held = held.replace("]]>", "]]]]><![CDATA[>")
        element = f"\n<metadata><![CDATA[\n{held}\n]]></metadata>"
        document = document[: root.end()] + element + document[root.end() :]
    target.write_text(document, encoding="utf-8", newline="")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
