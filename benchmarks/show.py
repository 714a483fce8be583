"""Records as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.record import Record, Value

COLUMNS = ("Parameters", "Of", "Metric", "Median", "±", "Unit", "n", "Promised")


def table(records: Sequence[Record], title: str) -> Table:
    """A row a record. Where a bound is not kept, its column says so."""
    made = Table(title=title, box=None, title_justify="left")
    for name in COLUMNS:
        made.add_column(name, justify="right" if name in ("Median", "±", "n") else "left", overflow="fold")
    for record in records:
        made.add_row(*row(record))
    return made


def row(record: Record) -> list[Text | str]:
    """The cells of one record."""
    return [
        described(record),
        record.subject,
        record.metric,
        number(record.median),
        number(record.spread) if len(record.samples) > 1 else "",
        record.unit,
        str(len(record.samples)),
        _promised(record),
    ]


def described(record: Record) -> str:
    """Its parameters in a line."""
    named = {**record.parameters, "dtype": record.dtype, "kernel": record.kernel}
    return " ".join(f"{name}={plain(value)}" for name, value in named.items() if value != "")


def plain(value: Value) -> str:
    """A parameter's value."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def number(value: float) -> str:
    """Three significant digits, no exponent where one can do without."""
    if value == 0 or 0.001 <= abs(value) < 1e9:
        digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
        return f"{value:,.{digits}f}"
    return f"{value:.2e}"


def _promised(record: Record) -> Text | str:
    if record.bound is None:
        return ""
    text = f"at {'most' if record.better == 'lower' else 'least'} {number(record.bound)}"
    return Text(text) if record.kept else Text(f"{text}: NOT KEPT", style="bold red")


def console() -> Console:
    """The terminal, or 160 columns where the output goes elsewhere."""
    found = Console()
    return found if found.is_terminal else Console(width=160)
