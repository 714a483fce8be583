"""Mapping over lists: one call an item of the longest list, shorter ones repeat their last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputInvalid
from engine.mapping import blocked_by, calls, join, slots_of, without_absent
from engine.types import Absent, Blocked
from tests.engine.toys import toy_registry

SPECS = toy_registry()
ADD, BOTH, RANGE, TOTAL, SHOW = (SPECS[n] for n in ("Add", "AddOptional", "Range", "Total", "Show"))


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=5)))
def test_shorter_lists_repeat_their_last(inputs: dict[str, list[int]]) -> None:
    made = list(calls(ADD, inputs))
    assert len(made) == max(map(len, inputs.values()), default=1)
    for i, arguments in enumerate(made):
        assert arguments == {name: (values + values[-1:] * 5)[i] for name, values in inputs.items()}


def test_a_class_that_takes_lists_is_called_once_with_all() -> None:
    assert list(calls(TOTAL, {"values": (1, 2), "weight": (1.0,)})) == [{"values": [1, 2], "weight": [1.0]}]
    assert list(calls(TOTAL, {"values": ()})) == [{"values": []}]


def test_an_empty_list_is_an_error_that_names_the_input() -> None:
    with pytest.raises(InputInvalid) as caught:
        list(calls(ADD, {"a": (1, 2), "b": ()}))
    assert caught.value.input == "b"


def test_what_a_call_returns_by_slot() -> None:
    assert slots_of(ADD, 3) == ((3,),)
    assert slots_of(ADD, None) == ((None,),)
    assert slots_of(ADD, (1, 2)) == (((1, 2),),)
    assert slots_of(BOTH, (3, "3")) == ((3,), ("3",))
    assert slots_of(RANGE, [1, 2]) == ([1, 2],)
    assert slots_of(RANGE, Blocked()) == ((Blocked(),),)
    assert slots_of(BOTH, Blocked("why")) == ((Blocked("why"),),) * 2
    assert slots_of(SHOW, None) == ()


@pytest.mark.parametrize(("spec", "returned"), [(BOTH, 3), (BOTH, (1,)), (BOTH, None), (BOTH, [1, 2]), (RANGE, 3)])
def test_what_does_not_fit_is_an_error(spec: Any, returned: Any) -> None:
    with pytest.raises(TypeError, match="output"):
        slots_of(spec, returned)


def test_joining() -> None:
    assert join(BOTH, [((1,), ("a",)), ((2,), ("b",))]) == ((1, 2), ("a", "b"))
    assert join(RANGE, [([1, 2],), ([],), ([3],)]) == ((1, 2, 3),)
    assert join(RANGE, [([1, 2],)]) == ((1, 2),)
    assert join(SHOW, [(), ()]) == ()


def test_blocked_inputs() -> None:
    assert blocked_by(ADD, {"a": 1, "b": 2}) is None
    assert blocked_by(ADD, {"a": 1, "b": Blocked("x")}) == Blocked("x")
    assert blocked_by(TOTAL, {"values": [1, Blocked()], "weight": [1.0]}) == Blocked()
    assert blocked_by(TOTAL, {"values": [1, 2], "weight": [1.0]}) is None


def test_what_is_absent_fails_the_node_that_reads_it() -> None:
    nothing = Absent("there is no picture", "load one")
    assert without_absent(ADD, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    for spec, arguments in ((ADD, {"a": 1, "b": nothing}), (TOTAL, {"values": [1, nothing], "weight": [1.0]})):
        with pytest.raises(InputInvalid, match="there is no picture") as caught:
            without_absent(spec, arguments)
        assert caught.value.remedy == "load one"
        assert caught.value.input in arguments


def test_what_is_absent_may_be_left_out_where_an_input_may() -> None:
    nothing = Absent("there is none")
    assert without_absent(BOTH, {"a": 1, "b": nothing}) == {"a": 1, "b": None}
    assert without_absent(SHOW, {"value": nothing}) == {"value": nothing}  # takes anything
