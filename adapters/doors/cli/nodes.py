"""``dagfusion nodes``: the node classes, or one of them in full."""

from __future__ import annotations

import json

from adapters.doors.cli.session import Options, Session
from adapters.host.tables import print_table
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
    rows = [
        (
            spec.name,
            spec.category,
            " ".join(given.name for given in spec.given_inputs),
            " ".join(output.wire for output in spec.outputs),
        )
        for spec in specs
    ]
    print_table(("Class", "Category", "Inputs", "Outputs"), rows, title=f"{len(rows)} node classes")


def _print_one(spec: NodeSpec) -> None:
    print(f"{spec.name}  ({spec.category})\n{spec.description}\n")
    rows = [
        (given.name, given.wire, "needed" if given.required else "optional", _default(given), _allowed(given))
        for given in spec.given_inputs
    ]
    print_table(("Input", "Type", "", "Default", "Allowed"), rows)
    for slot, output in enumerate(spec.outputs):
        print(f"output {slot}: {output.name} ({output.wire})")


def _default(spec: InputSpec) -> str:
    return "" if spec.default in (NO_DEFAULT, None) else repr(spec.default)


def _allowed(spec: InputSpec) -> str:
    marker = spec.marker
    if isinstance(marker, Choice):
        return ", ".join(marker.values)
    if isinstance(marker, FileChoice):
        return f"a file of {marker.kind}"
    low, high = getattr(marker, "min", None), getattr(marker, "max", None)
    return "" if low is None and high is None else f"{low} .. {high}"
