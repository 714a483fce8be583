"""CustomCombo keeps its own list of options; which of them is chosen is counted when the front end submits."""

from __future__ import annotations

from typing import Any

from engine.convert.litegraph import UiNode

_CLASS = "CustomCombo"
_FIRST_OPTION = 2  # after the choice and its index


def with_combo_index(node: UiNode, inputs: dict[str, Any]) -> dict[str, Any]:
    """``inputs`` with the ``index`` of the choice, which may be another than the file's: a promoted or linked value."""
    choice = inputs.get("choice")
    if node.type != _CLASS or not isinstance(choice, str):
        return inputs
    values = list(node.values.values() if isinstance(node.values, dict) else node.values)
    options = values[_FIRST_OPTION:]
    return {**inputs, "index": options.index(choice) if choice in options else -1}
