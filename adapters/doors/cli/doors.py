"""Commands of other doors: ``command.py`` in a door's folder, found there, not listed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import typer

from adapters import doors


def add_doors_commands(app: typer.Typer) -> None:
    """Let every door with a ``command`` module add its command. Such modules are light: they are always imported."""
    for door in iter_modules(doors.__path__, f"{doors.__name__}."):
        name = f"{door.name}.command"
        if door.ispkg and find_spec(name) is not None:
            import_module(name).add_to(app)
