"""Records as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.record import Record, Value

COLUMNS = ("Metric", "Of", "Median", "±", "Unit", "n", "Promised")
NUMERIC = ("Median", "±", "n")


def table(records: Sequence[Record], title: str) -> Table:
    """A row a record, a column for each parameter that differs; what is the same in all rows is in the title."""
    named = [parameters(record) for record in records]
    names = list(dict.fromkeys(name for one in named for name in one))
    same = {name: named[0][name] for name in names if len({one.get(name) for one in named}) == 1}
    varying = [name for name in names if name not in same]
    made = Table(title=" ".join([title, described(same)]), box=None, title_justify="left")
    for name in (*varying, *COLUMNS):
        right = name in NUMERIC or (not any(isinstance(one.get(name), str) for one in named) and name in varying)
        made.add_column(name, justify="right" if right else "left", no_wrap=name != "Promised")
    for record, one in zip(records, named, strict=True):
        made.add_row(*(plain(one.get(name, "")) for name in varying), *_cells(record))
    return made


def parameters(record: Record) -> dict[str, Value]:
    """All that the figure depends on beside the machine; empty ones left out."""
    named = {**record.parameters, "dtype": record.dtype, "kernel": record.kernel}
    return {name: value for name, value in named.items() if value != ""}


def described(named: Mapping[str, Value]) -> str:
    """Parameters in a line."""
    return " ".join(f"{name}={plain(value)}" for name, value in named.items())


def plain(value: Value) -> str:
    """A parameter's value."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def number(value: float) -> str:
    """Three significant digits, whole numbers as they are; no exponent where one can do without."""
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if not 0.001 <= abs(value) < 1e9:
        return f"{value:.2e}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:,.{max(0, 3 - whole)}f}"


def _cells(record: Record) -> list[Text | str]:
    spread = number(record.spread) if len(record.samples) > 1 else ""
    count = str(len(record.samples))
    return [record.metric, record.subject, number(record.median), spread, record.unit, count, _promised(record)]


def _promised(record: Record) -> Text | str:
    if record.bound is None:
        return ""
    text = f"at {'most' if record.better == 'lower' else 'least'} {number(record.bound)}"
    return text if record.kept else Text(f"{text}: NOT KEPT", style="bold red")


def console() -> Console:
    """The terminal, or 160 columns where the output goes elsewhere."""
    found = Console()
    return found if found.is_terminal else Console(width=160)
