"""Which input a bypassed node passes on to an output: one of the same type."""

from __future__ import annotations

from engine.convert.litegraph import UiNode

_ANYTHING = ("*", "")


def types_connect(left: str, right: str) -> bool:
    """Whether a link may join the two slot types: equal, either one anything, or lists with a common member."""
    if left in _ANYTHING or right in _ANYTHING or left == right:
        return True
    return not {t.strip() for t in left.lower().split(",")}.isdisjoint(t.strip() for t in right.lower().split(","))


def passed_on_input(node: UiNode, slot: int, wanted_type: str) -> int | None:
    """The index of the input that bypassed ``node`` passes on to output ``slot`` for a reader of ``wanted_type``.

    The input at the same index goes first, then one of exactly that type, then one that connects; a reader that takes
    anything gets the input at the same index, or the first.
    """
    inputs = node.inputs
    if not inputs:
        return None
    if wanted_type in _ANYTHING:
        return slot if slot < len(inputs) else 0
    made = node.outputs[slot].type if slot < len(node.outputs) else wanted_type
    fitting = [i for i, s in enumerate(inputs) if types_connect(s.type, made) and types_connect(s.type, wanted_type)]
    if slot in fitting:
        return slot
    exact = [i for i, s in enumerate(inputs) if s.type == wanted_type]
    return next(iter([*exact, *fitting]), None)
