"""Typed-in values become what an input takes, as ComfyUI turns them, or are refused with its codes."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.coerce import ValueWrong, coerce
from engine.inputs import Bool, Choice, Float, Int, Text, Wire
from engine.schema import InputSpec, Marker


def spec(marker: Marker) -> InputSpec:
    return InputSpec("x", "X", marker, required=True)


def code_of(marker: Marker, value: Any) -> str:
    with pytest.raises(ValueWrong) as caught:
        coerce(spec(marker), value)
    return caught.value.code


@pytest.mark.parametrize(
    ("marker", "value", "expected"),
    [
        (Int(), 3, 3),
        (Int(), "20", 20),
        (Int(), " 20 ", 20),
        (Int(), 20.7, 20),
        (Int(), True, 1),
        (Int(), 2**64 - 1, 2**64 - 1),
        (Float(), 3, 3.0),
        (Float(), "1e-3", 0.001),
        (Float(), False, 0.0),
        (Text(), "a", "a"),
        (Text(), 5, "5"),
        (Text(), None, "None"),
        (Text(), {"__value__": ["a", 0]}, "['a', 0]"),
        (Bool(), "false", True),
        (Bool(), "", False),
        (Bool(), 0, False),
        (Choice("a", "b"), "b", "b"),
        (Wire("*"), "anything", "anything"),
        (Wire("*"), {"__value__": [1, 2]}, [1, 2]),
        (Wire("FLOAT,INT"), 2, 2),
        (Wire("CURVE"), {"points": []}, {"points": []}),
    ],
)
def test_values_become_what_the_input_takes(marker: Marker, value: Any, expected: Any) -> None:
    taken = coerce(spec(marker), value)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("marker", "value", "code"),
    [
        (Int(), "20.0", "invalid_input_type"),
        (Int(), "many", "invalid_input_type"),
        (Int(), None, "invalid_input_type"),
        (Int(), {}, "invalid_input_type"),
        (Int(), math.nan, "invalid_input_type"),
        (Int(), math.inf, "invalid_input_type"),
        (Int(), "9" * 10_000, "invalid_input_type"),
        (Float(), "x", "invalid_input_type"),
        (Float(), math.nan, "invalid_input_type"),
        (Float(), "nan", "invalid_input_type"),
        (Float(), -math.inf, "invalid_input_type"),
        (Float(), 10**400, "invalid_input_type"),
        (Int(min=1), 0, "value_smaller_than_min"),
        (Int(max=3), "4", "value_bigger_than_max"),
        (Float(min=0.0), -0.1, "value_smaller_than_min"),
        (Float(max=1.0), 1.1, "value_bigger_than_max"),
        (Choice("euler", "heun"), "eulr", "value_not_in_list"),
        (Choice("1"), 1, "value_not_in_list"),
        (Choice("1"), None, "value_not_in_list"),
        (Choice("1"), {"a": 1}, "value_not_in_list"),
        (Choice(), "a", "value_not_in_list"),
        (Wire("MODEL"), "sdxl", "invalid_input_type"),
        (Wire("MODEL"), None, "invalid_input_type"),
        (Wire("IMAGE,MASK"), 1, "invalid_input_type"),
    ],
)
def test_other_values_are_refused(marker: Marker, value: Any, code: str) -> None:
    assert code_of(marker, value) == code


def test_remedies_name_the_nearest_and_the_allowed() -> None:
    with pytest.raises(ValueWrong) as caught:
        coerce(spec(Choice("euler", "heun")), "eulr")
    assert "did you mean 'euler'" in caught.value.remedy
    with pytest.raises(ValueWrong) as caught:
        coerce(spec(Int(min=1, max=9)), 10)
    assert caught.value.remedy == "allowed: 1 to 9"
    with pytest.raises(ValueWrong) as caught:
        coerce(spec(Int(min=1)), 0)
    assert caught.value.remedy == "allowed: at least 1"


@given(st.integers(), st.integers(), st.integers())
def test_range_is_inclusive(low: int, high: int, value: int) -> None:
    marker = Int(min=low, max=high)
    if low <= value <= high:
        assert coerce(spec(marker), value) == value
    elif value < low:
        assert code_of(marker, value) == "value_smaller_than_min"
    else:
        assert code_of(marker, value) == "value_bigger_than_max"


def outcome(marker: Marker, value: Any) -> tuple[Any, ValueWrong | None]:
    """What is taken, or why nothing is."""
    try:
        return coerce(spec(marker), value), None
    except ValueWrong as wrong:
        return None, wrong


CODES = {"invalid_input_type", "value_smaller_than_min", "value_bigger_than_max", "value_not_in_list"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    json_values, st.sampled_from([Int(min=0), Float(max=1.0), Text(), Bool(), Choice("a"), Wire("MODEL"), Wire("*")])
)
def test_any_json_becomes_what_the_node_takes_or_is_refused_with_a_code(value: Any, marker: Marker) -> None:
    taken, wrong = outcome(marker, value)
    if wrong is not None:
        assert wrong.code in CODES and wrong.message
        return
    match marker:
        case Int(min=low):
            assert type(taken) is int and (low is None or taken >= low)
        case Float(max=high):
            assert type(taken) is float and math.isfinite(taken) and (high is None or taken <= high)
        case Text() | Bool():
            assert type(taken) is {Text: str, Bool: bool}[type(marker)]
        case Choice(values=choices):
            assert taken in choices
        case Wire(name="MODEL"):
            assert isinstance(taken, list | dict)  # nothing that can be typed in


@given(json_values)
def test_whatever_is_taken_would_be_taken_again_as_it_is(value: Any) -> None:
    for marker in (Int(), Float(), Text(), Bool(), Wire("*")):
        with contextlib.suppress(ValueWrong):
            taken = coerce(spec(marker), value)
            again = coerce(spec(marker), taken)
            assert repr(again) == repr(taken) or isinstance(taken, dict)  # what is wrapped may be wrapped twice
