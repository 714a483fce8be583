"""Turns a typed-in value into what an input takes, by ComfyUI's rules: numeric texts become numbers, numbers texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from engine.inputs import Bool, Choice, DynamicChoice, Float, Int, Text, Wire
from engine.schema import InputSpec
from engine.suggest import nearest

WRAPPED_VALUE = "__value__"
_PRIMITIVES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "*")


class ValueWrong(Exception):
    """A value that an input does not take: ComfyUI's wire code, what is wrong, and what to do about it.

    ``value``: what it would be, were it allowed; classes that check their inputs themselves get that.
    """

    def __init__(self, code: str, message: str, remedy: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy, self.value = code, message, remedy, value


OF_THE_CLASS = frozenset({"value_not_in_list", "value_smaller_than_min", "value_bigger_than_max"})
"""What a class that checks an input itself decides about, instead of the input's choices and range."""


def coerce(spec: InputSpec, value: Any) -> Any:
    """The value as the node's function takes it. Raises :class:`ValueWrong`. (Files are looked up elsewhere.)"""
    if isinstance(value, dict) and value.keys() == {WRAPPED_VALUE}:
        value = value[WRAPPED_VALUE]
    read = _READERS.get(type(spec.marker))
    return value if read is None else read(spec.marker, value)


def _whole_number(marker: Int, value: Any) -> int:
    if type(value) is not int:
        try:
            value = int(value)
        except (ValueError, TypeError, OverflowError):
            raise ValueWrong("invalid_input_type", f"{_shown(value)} is not a whole number") from None
    _check_range(marker, value)
    return int(value)


def _number(marker: Float, value: Any) -> float:
    if type(value) is not float:
        try:
            value = float(value)
        except (ValueError, TypeError, OverflowError):
            raise ValueWrong("invalid_input_type", f"{_shown(value)} is not a number") from None
    if not math.isfinite(value):
        raise ValueWrong("invalid_input_type", f"{value} is not a finite number")
    _check_range(marker, value)
    return float(value)


def _text(_: Text, value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _truth(_: Bool, value: Any) -> bool:
    return bool(value)


def _choice(marker: Choice | DynamicChoice, value: Any) -> Any:
    if value in marker.values:
        return value
    near = nearest(value, marker.values) if isinstance(value, str) else ""
    some = ", ".join(map(str, marker.values[:20])) + (" ..." if len(marker.values) > 20 else "")
    remedy = f"did you mean {near}?" if near else f"there are: {some}"
    raise ValueWrong("value_not_in_list", f"{_shown(value)} is not among the choices", remedy, value)


def _socket(marker: Wire, value: Any) -> Any:
    if (
        not marker.literal
        and isinstance(value, str | int | float | None)
        and not any(primitive in marker.name.split(",") for primitive in _PRIMITIVES)
    ):
        raise ValueWrong(
            "invalid_input_type", f"{_shown(value)} was typed in, but it takes a link to a {marker.name} output"
        )
    return value


def _check_range(marker: Int | Float, value: float) -> None:
    low, high = marker.min, marker.max
    if low is not None and value < low:
        raise ValueWrong("value_smaller_than_min", f"{value} is smaller than {low}", _allowed(low, high), value)
    if high is not None and value > high:
        raise ValueWrong("value_bigger_than_max", f"{value} is bigger than {high}", _allowed(low, high), value)


def _allowed(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"allowed: at least {low}" if high is None else f"allowed: at most {high}"
    return f"allowed: {low} to {high}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_READERS: Mapping[type, Callable[[Any, Any], Any]] = {
    Int: _whole_number,
    Float: _number,
    Text: _text,
    Bool: _truth,
    Choice: _choice,
    DynamicChoice: _choice,
    Wire: _socket,
}
