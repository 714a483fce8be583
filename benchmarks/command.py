"""What ``dagfusion bench`` does."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import readme, registry, show
from benchmarks.case import BenchCase, Value
from benchmarks.compare import alone, rows
from benchmarks.compare import compare as compared
from benchmarks.record import Record, append_records, read_records
from benchmarks.run import BenchOptions, read_axes, run
from engine.errors import DagfusionError

STYLES = {"better": "green", "worse": "bold red", "same": "dim", "unsure": "yellow"}


def measure(names: Sequence[str], axes: Sequence[str], path: Path | None, *, append: bool, **options: Any) -> None:
    """Measure the named cases and show each one's table. Records are written as they come, so that none is lost."""
    cases = [registry.find(name) for name in dict.fromkeys(names)]
    chosen = BenchOptions(axes=read_axes(axes, cases), **options)
    if path is not None and not append:
        path.unlink(missing_ok=True)
    for case in cases:
        records: list[Record] = []
        try:
            for record in run(case, chosen, started=lambda point, case=case: _say(case, point)):  # type: ignore[misc]
                records.append(record)
                if path is not None:
                    append_records([record], path)
        finally:
            if records:
                show.console().print(show.table(records, case.name))
        if not records:
            raise DagfusionError(f"case '{case.name}' measures nothing at these parameters", remedy="see `bench list`")


def show_beside(axes: Sequence[str], path: Path | None, *, append: bool, **options: Any) -> None:
    """Measure this project's server and another one, and print the page about both."""
    from benchmarks.beside import beside
    from benchmarks.page import page

    chosen = BenchOptions(axes=read_axes(axes, [beside]), **options)
    records = list(run(beside, chosen, started=lambda point: _say(beside, point)))
    if path is not None:
        if not append:
            path.unlink(missing_ok=True)
        append_records(records, path)
    print(page(records), end="")


def _say(case: BenchCase, point: Mapping[str, Value]) -> None:
    if sys.stderr.isatty():
        print(f"{case.name}: {show.described(point)} ...", file=sys.stderr)


def show_cases() -> None:
    """A line a case, and a line for its parameters."""
    for case in registry.every():
        print(f"{case.name:<10} {case.summary}")
        axes = (f"{name}={','.join(map(str, values))}" for name, values in case.axes.items())
        print(f"{'':<10}   {'  '.join(axes)}")


def show_comparison(first: Path, second: Path) -> None:
    """A row a quantity that is in both; then how many are in one alone. Raises ``DagfusionError`` where none is."""
    ours, others = read_records(first), read_records(second)
    comparisons = compared(ours, others)
    if not comparisons:
        raise DagfusionError(f"'{first}' and '{second}' have no quantity in common")
    table = Table(title=f"{second.name} over {first.name}", box=None, title_justify="left")
    for name in ("What", "Parameters", first.name, second.name, "Ratio", "95 %", ""):
        table.add_column(name, overflow="fold")
    for comparison, cells in zip(comparisons, rows(comparisons), strict=True):
        table.add_row(*cells, style=STYLES[comparison.verdict])
    show.console().print(table)
    if any(c.first.machine != c.second.machine for c in comparisons):
        print("the machines differ: the ratios say as much about them")
    for path, left in ((first, alone(ours, others)), (second, alone(others, ours))):
        if left:
            print(f"{len(left)} quantities are in {path.name} alone")


def draw(path: Path, folder: Path) -> None:
    """Pictures of a file's records; prints where they are."""
    from benchmarks.plot import plot

    for picture in plot(read_records(path), folder):
        print(picture)


def write_table(files: Sequence[Path], into: Path | None, *, check: bool, headlines: bool = False) -> None:
    """Print the table, put it between the marks of ``into``, or (``check``) compare it with what is there."""
    made = readme.section(files or readme.committed(), headlines=headlines)
    if into is None:
        print(made)
        return
    text = into.read_text(encoding="utf-8")
    wanted = readme.insert(text, made)
    if not check:
        into.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        remedy = f"run `dagfusion bench table --into {into}{' --headlines' if headlines else ''}`"
        raise DagfusionError(f"the table in '{into}' is not what the records say", remedy=remedy)
