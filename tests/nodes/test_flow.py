"""Switches, logic, numbers and formatted texts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.context import Context
from engine.errors import InputInvalid
from nodes import builtin_registry, flow
from nodes.expressions import evaluate


def test_switch_asks_for_one_side_only(ctx: Context) -> None:
    lazy = builtin_registry()["ComfySwitchNode"].lazy
    assert lazy is not None
    assert lazy(ctx, switch=True, on_false=None, on_true=None) == ["on_true"]
    assert lazy(ctx, switch=False, on_false=None, on_true=None) == ["on_false"]
    assert lazy(ctx, switch=True, on_false=None, on_true="known") == []
    assert lazy(ctx, switch=True, on_false=None) == []
    assert flow.switch_value(ctx, switch=True, on_false=1, on_true=2).output == 2


def test_logic(ctx: Context) -> None:
    assert flow.logical_not(ctx, value="") is True
    assert flow.logical_and(ctx, values={"value0": 1, "value1": "x"}) is True
    assert flow.logical_and(ctx, values={"value0": 1, "value1": 0}) is False
    assert flow.logical_or(ctx, values={"value0": 0, "value1": "x"}) is True
    assert flow.logical_or(ctx, values={"value0": 0}) is False
    assert flow.pass_or_none(ctx, anything=0, default=3) == (0, False)
    assert flow.pass_or_none(ctx, default=3) == (3, False)
    assert flow.pass_or_none(ctx) == (None, True)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("max(5, round(a * 24)) + (5 - (max(5, round(a * 24)) % 17)) % 17", 90),
        ("b & -8", 1016),
        ("sum(values) / 2", 513.1),
        ("values[1] // 10 ** 2", 10),
        ("a if b > 1000 else b", 3.2),
        ("1 < a <= 3.2 and not b < 3", 1),
        ("0 or b", 1023),
        ("sqrt(16) + floor(-1.5) + pow(2, 3) + ~1", 8),
        ("(b << 2 | 1) ^ 1 >> 0", 4092),
        ("\n a*2 ", 6.4),
    ],
)
def test_expressions(ctx: Context, expression: str, value: float) -> None:
    out = flow.compute(ctx, expression=expression, values={"a": 3.2, "b": 1023, "c": None})
    assert out == (pytest.approx(value), int(value), bool(value))


@settings(deadline=None)
@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(["+", "-", "*", "<", "==", "|", "&", "^"]))
def test_operators_are_pythons(a: int, b: int, operator: str) -> None:
    expression = f"a {operator} b"
    assert evaluate(expression, {"a": a, "b": b}) == eval(expression, {"a": a, "b": b})


@pytest.mark.parametrize(
    "expression",
    [
        *("", "1 +", "c", "a.real", "__import__('os')", "'x'", "'x' * 9", "[1]", "lambda: 1", "a(1)", "max()", "a[0]"),
        *(
            "1 / 0",
            "1e999",
            "9 ** 9 ** 9",
            "10 ** 4001",
            "1 << 99999",
            "a @ a",
        ),
        *("(" * 3000 + "1" + ")" * 3000, "-" * 5000 + "1", "sum", "round(a, ndigits=1)", "1 in values", "sqrt(-1)"),
    ],
)
def test_anything_else_is_refused(ctx: Context, expression: str) -> None:
    with pytest.raises(InputInvalid, match="cannot be computed") as caught:
        flow.compute(ctx, expression=expression, values={"a": 3})
    assert caught.value.input == "expression"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with contextlib.suppress(InputInvalid):
        assert isinstance(evaluate(text, {"a": 1}), int | float)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3.0, 3)),
        (-2.7, (-2.7, -2)),
        (True, (1.0, 1)),
        (" 12 ", (12.0, 12)),
        ("2.9", (2.9, 2)),
        (2**60 + 1, (2.0**60, 2**60 + 1)),
    ],
)
def test_number_conversion(ctx: Context, value: object, expected: tuple[float, int]) -> None:
    assert flow.convert_number(ctx, value=value) == expected


@pytest.mark.parametrize("value", ["", "abc", "nan", float("inf"), [1], None, "1e999"])
def test_what_is_no_number(ctx: Context, value: object) -> None:
    with pytest.raises(InputInvalid, match="no finite number"):
        flow.convert_number(ctx, value=value)


@pytest.mark.parametrize(
    ("ratio", "megapixels", "multiple", "size"),
    [
        ("1:1 (Square)", 1.0, 8, (1024, 1024)),
        ("16:9 (Widescreen)", 0.4, 32, (864, 480)),
        ("2:3 (Portrait Photo)", 1.0, 64, (832, 1280)),
    ],
)
def test_resolution(ctx: Context, ratio: str, megapixels: float, multiple: int, size: tuple[int, int]) -> None:
    assert flow.select_resolution(ctx, aspect_ratio=ratio, megapixels=megapixels, multiple=multiple) == size


def test_custom_combo(ctx: Context) -> None:
    assert flow.custom_combo(ctx, choice="b", index=1, option1="a", option2="b") == ("b", 1)


def test_format(ctx: Context) -> None:
    values = {"a": 7, "b": "x"}
    assert flow.format_text(ctx, f_string="{a:03d}-{b!r:>5}-{{}}", values=values) == "007-  'x'-{}"
    for faulty in ("{c}", "{a.__class__}", "{b[0]}", "{", "{a:q}", "{}"):
        with pytest.raises(InputInvalid, match="cannot be filled in"):
            flow.format_text(ctx, f_string=faulty, values=values)
