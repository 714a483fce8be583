"""Runs cases over their grids and makes records of their figures."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.case import Axes, Bench, BenchCase, Figure, Value
from benchmarks.record import Record
from engine.errors import DagfusionError
from engine.suggest import nearest


@dataclass(frozen=True)
class BenchOptions:
    """How to run: see :class:`benchmarks.case.Bench`. ``axes``: values that replace those of the case's axes.

    ``repeats``: None for the case's own. ``quick``: the smallest grid, for a trial. ``label``: for the records.
    """

    device: str = "cpu"
    repeats: int | None = None
    quick: bool = False
    axes: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    label: str = ""
    against: str | None = None
    models: Path | None = None


def run(
    case: BenchCase, options: BenchOptions, *, started: Callable[[Mapping[str, Value]], None] = lambda _: None
) -> Iterator[Record]:
    """The records of every point, as they come. ``started`` hears of each point before it is measured."""
    repeats = options.repeats or (1 if options.quick else case.repeats)
    with tempfile.TemporaryDirectory(prefix="dagfusion-bench-") as folder:
        bench = Bench(repeats, Path(folder), options.device, options.against, options.models)
        try:
            for point in points(grid(case, options)):
                started(point)
                for figure in case.measure(bench, **point):
                    yield record(case, point, figure, options)
        finally:
            bench.close()


def grid(case: BenchCase, options: BenchOptions) -> dict[str, tuple[Value, ...]]:
    """The case's axes: its own values, the smallest ones for a quick run, and over them those that were asked for."""
    return {
        **case.axes,
        **(case.quick if options.quick else {}),
        **{n: v for n, v in options.axes.items() if n in case.axes},
    }


def points(axes: Axes) -> Iterator[dict[str, Value]]:
    """Every combination of the axes' values; the last axis changes fastest."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def record(case: BenchCase, point: Mapping[str, Value], figure: Figure, options: BenchOptions) -> Record:
    """The figure with all that it holds for. The axes ``dtype`` and ``kernel`` go into the fields of those names."""
    parameters = {**point, **figure.more}
    dtype, kernel = (str(parameters.pop(name, "")) for name in ("dtype", "kernel"))
    return Record(
        case=case.name,
        subject=figure.subject,
        metric=figure.metric,
        parameters=parameters,
        unit=figure.unit,
        better=figure.better,
        samples=[float(sample) for sample in figure.samples],
        bound=figure.bound,
        label=options.label,
        dtype=figure.dtype or dtype,
        kernel=figure.kernel or kernel,
        device=options.device,
        machine=machine.this_machine(),
        commit=machine.commit(),
        versions=machine.versions(),
        date=datetime.now(UTC).replace(microsecond=0),
    )


def read_axes(given: Sequence[str], cases: Sequence[BenchCase]) -> dict[str, tuple[Value, ...]]:
    """``NAME=VALUE[,VALUE...]`` for axes of the cases, each value of its axis' type. Raises ``DagfusionError``."""
    known = {name: values for case in cases for name, values in case.axes.items()}
    return dict(_axis(text, known) for text in given)


def _axis(text: str, known: Axes) -> tuple[str, tuple[Value, ...]]:
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise DagfusionError(f"'{text}' sets nothing", remedy="write --set NAME=VALUE or --set NAME=VALUE,VALUE")
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else f"there are: {', '.join(known)}"
        raise DagfusionError(f"no such parameter: '{name}'", remedy=hint)
    kind = type(known[name][0])
    try:
        return name, tuple(kind(value) for value in values.split(","))
    except ValueError as error:
        raise DagfusionError(f"'{values}' is no list of {kind.__name__} for '{name}'") from error
