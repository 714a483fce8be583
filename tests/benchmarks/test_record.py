"""Records: what is kept of a measurement."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.case import Figure, case
from benchmarks.record import Machine, Record, append_records, read_records
from benchmarks.run import BenchOptions, grid, points, read_axes, run
from engine.errors import DagfusionError
from tests.benchmarks.making import record


def test_median_and_spread_are_those_of_the_samples() -> None:
    made = record([5.0, 1.0, 2.0, 3.0, 4.0])
    assert (made.median, made.spread) == (3.0, 1.0)
    assert record([1.0, 3.0]).spread == 1.0
    assert record([7.0]).spread == 0.0


@pytest.mark.parametrize(
    ("better", "bound", "kept"),
    [("lower", 2.0, True), ("lower", 1.9, False), ("higher", 2.0, True), ("higher", 2.1, False)],
)
def test_a_bound_is_kept_in_the_direction_that_is_better(better: str, bound: float, kept: bool) -> None:
    assert record([2.0], better=better, bound=bound).kept is kept


def test_records_come_back_from_their_file(tmp_path: Path) -> None:
    records = [record([1.0, 2.0]), record([3.0], parameters={"nodes": 10, "shape": "chain", "share": 0.5})]
    append_records(records[:1], tmp_path / "new" / "a.jsonl")
    append_records(records[1:], tmp_path / "new" / "a.jsonl")
    assert read_records(tmp_path / "new" / "a.jsonl") == records
    first = json.loads((tmp_path / "new" / "a.jsonl").read_text().splitlines()[0])
    assert (first["median"], first["spread"]) == (1.5, 0.5)


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"case": "x", "samples": []}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    append_records([record([1.0])], path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DagfusionError, match="line 2 is no record"):
        read_records(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DagfusionError, match=r"missing\.jsonl"):
        read_records(tmp_path / "missing.jsonl")


def test_what_is_said_of_the_machine_names_neither_it_nor_a_path() -> None:
    text = machine.this_machine().model_dump_json() + json.dumps(machine.versions()) + machine.commit()
    assert "/" not in text.replace("w/", "")
    assert socket.gethostname() not in text
    assert isinstance(machine.this_machine(), Machine)
    assert {"python", "torch", "diffusers", "dagfusion"} <= machine.versions().keys()


@case("grid", axes={"a": (1, 2), "dtype": ("float32",)}, quick={"a": (1,)}, repeats=3)
def gridded(bench: object, *, a: int, dtype: str) -> list[Figure]:
    """Two axes."""
    return [Figure("value", "s", [a, a, a], more={"extra": "yes"})]


def test_every_point_of_the_grid_is_measured_and_its_dtype_is_a_field() -> None:
    records = list(run(gridded, BenchOptions(axes=read_axes(["a=3,4"], [gridded]))))
    assert [one.parameters for one in records] == [{"a": 3, "extra": "yes"}, {"a": 4, "extra": "yes"}]
    assert {one.dtype for one in records} == {"float32"}
    assert all(isinstance(one, Record) and one.case == "grid" for one in records)


def test_a_quick_run_takes_the_smallest_grid_unless_asked_otherwise() -> None:
    assert list(points(grid(gridded, BenchOptions(quick=True)))) == [{"a": 1, "dtype": "float32"}]
    assert list(points(grid(gridded, BenchOptions(quick=True, axes={"a": (7,)})))) == [{"a": 7, "dtype": "float32"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a", "sets nothing"), ("a=", "sets nothing"), ("b=1", "no such parameter"), ("a=x", "no list of int")],
)
def test_a_wrong_parameter_is_named(text: str, message: str) -> None:
    with pytest.raises(DagfusionError, match=message):
        read_axes([text], [gridded])


def test_a_case_cannot_name_an_axis_that_it_has_not() -> None:
    with pytest.raises(ValueError, match="no axis"):
        case("x", axes={"a": (1,)}, quick={"b": (1,)})
