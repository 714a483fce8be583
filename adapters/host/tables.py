"""Tables: drawn on a terminal, elsewhere as plain lines with tabs between the columns, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print ``rows``. The title and the columns' names are for people, so plain lines go without them."""
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))  # noqa: T201 - a table goes to standard output
        return
    table = Table(title=title, box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as they are: brackets in names are no markup
    console.print(table)
