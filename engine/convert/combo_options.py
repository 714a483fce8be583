"""CustomCombo keeps its own list of options; they are sent, and which of them is chosen is counted for it."""

from __future__ import annotations

from typing import Any

from engine.convert.litegraph import UiNode

_CLASS = "CustomCombo"
_FIRST_OPTION = 2  # after the choice and its index


def with_combo_options(node: UiNode, inputs: dict[str, Any]) -> dict[str, Any]:
    """``inputs`` with ``option1``, ``option2`` ... and the ``index`` of the choice.

    That may be another than the file's: a promoted or linked value.
    """
    choice = inputs.get("choice")
    if node.type != _CLASS or not isinstance(choice, str):
        return inputs
    values = list(node.values.values() if isinstance(node.values, dict) else node.values)
    options = values[_FIRST_OPTION:]
    named = {f"option{number}": option for number, option in enumerate(options, start=1)}
    return {**named, **inputs, "index": options.index(choice) if choice in options else -1}
