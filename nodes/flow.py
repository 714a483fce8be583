"""Choosing between values, logic and arithmetic; newer ComfyUI's nodes that templates use."""

from __future__ import annotations

import math
import re
import string
from typing import Annotated, Any, NamedTuple

from engine.context import Context
from engine.errors import InputInvalid, shortened
from engine.inputs import Anything, Choice, Float, Grow, Growing, Int, Matched, Text, Wire
from engine.limits import Limits
from engine.registry import node
from nodes import expressions

# Not connected at all; ``None`` is a value that is connected and not yet known.
_MISSING: Any = object()
_RATIOS = {
    "1:1 (Square)": (1, 1),
    "2:3 (Portrait Photo)": (2, 3),
    "3:2 (Photo)": (3, 2),
    "3:4 (Portrait Standard)": (3, 4),
    "4:3 (Standard)": (4, 3),
    "9:16 (Portrait Widescreen)": (9, 16),
    "16:9 (Widescreen)": (16, 9),
    "21:9 (Ultrawide)": (21, 9),
}
_MEGAPIXEL = 1024 * 1024
_LETTERS = tuple(string.ascii_lowercase)
_Numeric = Annotated[Any, Wire("FLOAT,INT,BOOLEAN")]
_Either = Annotated[Any, Matched("switch", lazy=True)]
_Values = Annotated[Grow[Anything], Growing(max=10)]


class Selected(NamedTuple):
    """The chosen value."""

    output: Annotated[Any, Matched("switch")]


class Computed(NamedTuple):
    """One result in three types."""

    FLOAT: float
    INT: int
    BOOL: bool


class Converted(NamedTuple):
    """One number in two types."""

    FLOAT: float
    INT: int


class Passed(NamedTuple):
    """A value, and whether there is none."""

    output: Anything
    is_none: bool


class SizePx(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Picked(NamedTuple):
    """A choice and its position."""

    STRING: str
    INDEX: int


def _wanted(ctx: Context, *, switch: bool, **values: Any) -> list[str]:
    name = "on_true" if switch else "on_false"
    return [name] if values.get(name, _MISSING) is None else []


@node("ComfySwitchNode", category="utilities/logic", display_name="If/Else Switch", lazy=_wanted, experimental=True)
def switch_value(ctx: Context, *, switch: bool, on_false: _Either, on_true: _Either) -> Selected:
    """One of two values; the other one is not computed."""
    return Selected(on_true if switch else on_false)


@node("ComfyNotNode", category="utilities/logic", display_name="Not")
def logical_not(ctx: Context, *, value: Anything) -> bool:
    """Whether the value counts as false, by Python's rules."""
    return not value


@node("ComfyAndNode", category="utilities/logic", display_name="And")
def logical_and(ctx: Context, *, values: _Values) -> bool:
    """Whether all values count as true."""
    return all(values.values())


@node("ComfyOrNode", category="utilities/logic", display_name="Or")
def logical_or(ctx: Context, *, values: _Values) -> bool:
    """Whether any value counts as true."""
    return any(values.values())


@node("ComfyPassOrNoneNode", category="utilities/logic", display_name="Pass or None")
def pass_or_none(
    ctx: Context,
    *,
    anything: Annotated[Any, Wire("*", optional=True)] = None,
    default: Annotated[Any, Wire("*", optional=True)] = None,
) -> Passed:
    """The value, or the default where there is none."""
    value = default if anything is None else anything
    return Passed(value, value is None)


@node("ComfyMathExpression", category="utilities", display_name="Math Expression")
def compute(
    ctx: Context,
    *,
    expression: Annotated[str, Text(multiline=True)] = "a + b",
    values: Annotated[Grow[_Numeric], Growing(names=_LETTERS)],
) -> Computed:
    """Arithmetic over the values, which the expression calls a, b ... or, all of them, ``values``."""
    names = {name: value for name, value in values.items() if value is not None}
    result = expressions.evaluate(expression, {**names, "values": list(names.values())})
    return Computed(float(result), int(result), bool(result))


@node("ComfyNumberConvert", category="math", display_name="Number Convert")
def convert_number(ctx: Context, *, value: Annotated[Any, Wire("INT,FLOAT,STRING,BOOLEAN")]) -> Converted:
    """A number from a number, a text or a truth value; the whole number is rounded towards 0."""
    try:
        number = float(value)
        if math.isfinite(number):
            return Converted(number, _whole(value, number))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputInvalid(f"{shortened(repr(value))} is no finite number", input="value")


@node("ResolutionSelector", category="utilities", display_name="Resolution Selector")
def select_resolution(
    ctx: Context,
    *,
    aspect_ratio: Annotated[str, Choice(*_RATIOS)] = "1:1 (Square)",
    megapixels: Annotated[float, Float(min=0.1, max=16.0, step=0.1)] = 1.0,
    multiple: Annotated[int, Int(min=8, max=128, step=4)] = 8,
) -> SizePx:
    """Width and height of about so many megapixels (1 is 1024 x 1024), multiples of ``multiple``."""
    ratio = _RATIOS[aspect_ratio]
    scale = math.sqrt(megapixels * _MEGAPIXEL / (ratio[0] * ratio[1]))
    return SizePx(*(round(side * scale / multiple) * multiple for side in ratio))


def _any_choice(ctx: Context, *, choice: Any) -> None:
    """The choices are the user interface's, so any may come."""


@node(
    "CustomCombo",
    category="utilities",
    display_name="Custom Combo",
    accepts_any_input=True,
    experimental=True,
    validate=_any_choice,
)
def custom_combo(ctx: Context, *, choice: Annotated[str, Choice()], **options: Any) -> Picked:
    """A choice out of a list that the user interface keeps as ``option1``, ``option2`` ..., and its ``index`` there."""
    return Picked(choice, int(options.get("index", 0)))


@node("StringFormat", category="text", display_name="Format Text")
def format_text(
    ctx: Context,
    *,
    values: Annotated[Grow[Anything], Growing(min=0, names=_LETTERS)],
    f_string: Annotated[str, Text(multiline=True)] = "{a}",
) -> str:
    """``f_string`` with ``{a}``, ``{b:>5}`` ... replaced by the values of these names."""
    try:
        return _PlainFormatter(ctx.limits).vformat(f_string, (), values)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        told = f"'{shortened(f_string)}' cannot be filled in: {shortened(str(error))}"
        raise InputInvalid(told, input="f_string") from error


class _PlainFormatter(string.Formatter):
    """Fills in values, but does not look into them: attributes could reach anything in the process.

    Nor does it make more text than a node may: a width alone can ask for gigabytes.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._made = 0

    def format_field(self, value: Any, format_spec: str) -> Any:
        for number in re.findall(r"\d+", format_spec):
            self._limits.check_text(int(number[:20]))
        made = super().format_field(value, format_spec)
        self._made += len(made)
        self._limits.check_text(self._made)
        return made

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if "." in field_name or "[" in field_name:
            raise ValueError(f"'{{{field_name}}}' must be a plain name")
        return super().get_field(field_name, args, kwargs)


def _whole(value: Any, number: float) -> int:
    """Exact also where a float no longer is."""
    try:
        return int(value)
    except ValueError:
        return int(number)
