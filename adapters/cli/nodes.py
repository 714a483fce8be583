"""``dagfusion nodes``: the node classes, or one of them in full."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from adapters.cli.session import Options, Session
from engine.errors import DagfusionError
from engine.inputs import Choice, FileChoice
from engine.object_info import object_info
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec
from engine.suggest import nearest


def show_nodes(name: str | None, options: Options) -> None:
    """Print all classes by category, or one class's inputs and outputs. Raises for an unknown name."""
    session = Session(options)
    registry = session.registry
    if name is not None and name not in registry:
        near = nearest(name, registry)
        raise DagfusionError(f"there is no node class '{name}'", remedy=f"did you mean {near}?" if near else "")
    chosen = [registry[name]] if name else sorted(registry.values(), key=lambda s: (s.category, s.name))
    if options.json:
        print(json.dumps({spec.name: object_info(spec, session.folders) for spec in chosen}))
    elif name:
        _print_one(chosen[0])
    else:
        _print_all(chosen)


def _print_all(specs: list[NodeSpec]) -> None:
    table = Table("Class", "Category", "Inputs", "Outputs", title=f"{len(specs)} node classes", box=None)
    for spec in specs:
        inputs = " ".join(i.name for i in spec.inputs.values() if not i.hidden)
        table.add_row(spec.name, spec.category, inputs, " ".join(o.wire for o in spec.outputs))
    Console().print(table)


def _print_one(spec: NodeSpec) -> None:
    console = Console(highlight=False)
    console.print(f"{spec.name}  ({spec.category})", style="bold")
    console.print(spec.description, markup=False)
    table = Table("Input", "Type", "Needed", "Default", "Allowed", box=None)
    for spec_input in spec.inputs.values():
        if not spec_input.hidden:
            default = "" if spec_input.default in (NO_DEFAULT, None) else repr(spec_input.default)
            needed = "yes" if spec_input.required else ""
            table.add_row(spec_input.name, spec_input.wire, needed, default, _allowed(spec_input))
    console.print(table)
    for slot, output in enumerate(spec.outputs):
        console.print(f"output {slot}: {output.name} ({output.wire})", markup=False)


def _allowed(spec: InputSpec) -> str:
    marker = spec.marker
    if isinstance(marker, Choice):
        return ", ".join(marker.values)
    if isinstance(marker, FileChoice):
        return f"a file of {marker.kind}"
    low, high = getattr(marker, "min", None), getattr(marker, "max", None)
    return "" if low is None and high is None else f"{low} .. {high}"
