"""``dagfusion packs``: ComfyUI's node packs as they lie in a folder: what they bring, and what stands in their way."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import DebugOption, Given, JsonOption, takes_settings
from adapters.host.settings import read_settings
from adapters.host.tables import print_table
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from nodes.packs.description import PackDescription

packs = typer.Typer(help="List and examine ComfyUI's node packs.", no_args_is_help=True, rich_markup_mode=None)


@packs.command("list")
@takes_settings("packs")
def show(given: Given, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the packs of the folders: classes, licence, and whether they work."""
    with exits.reported(json=json, debug=debug):
        found = _described(given)
        if json:
            print(jsonlib.dumps([one.model_dump(mode="json") for one in found]))
            return
        rows = [(one.name, str(len(one.classes)), one.licence, f"{one.seconds:.1f} s", _state(one)) for one in found]
        print_table(("Pack", "Classes", "Licence", "Import", ""), rows, title=f"{len(rows)} packs")


@packs.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="One pack's folder or file.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Examine one pack: what it registers, what it asks for that is not here, what it was not let."""
    from nodes.packs.found import Pack
    from nodes.packs.loading import described_pack

    with exits.reported(json=json, debug=debug):
        settings = read_settings({})
        pack = Pack(folder)
        if not pack.file.is_file():
            raise DagfusionError(f"'{folder}' is no pack", remedy="a pack is a folder with __init__.py, or a .py file")
        found = described_pack(pack, settings.packs_kept, network=settings.packs_network)
        print(found.model_dump_json(indent=2)) if json else _print_one(found)
    if found.error:
        raise typer.Exit(exits.FAILED)


@packs.command()
@takes_settings("packs")
def why(
    name: Annotated[str, typer.Argument(metavar="CLASS", help="A node class's name.")],
    given: Given,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say which pack has a class, or what keeps it from having it."""
    with exits.reported(json=json, debug=debug):
        lines = list(_reasons(name, _described(given)))
        if not lines:
            from engine.packs import pack_of

            pack = pack_of(name)
            place = f"it is known to be of the pack {pack}; " if pack else ""
            raise DagfusionError(f"no pack has a class '{name}'", remedy=f"{place}put its pack into a --packs folder")
        print(jsonlib.dumps(lines) if json else "\n".join(lines))


def _described(given: Given) -> list[PackDescription]:
    from nodes.packs.found import packs_in
    from nodes.packs.loading import described_pack

    settings = read_settings(given)
    if not settings.packs:
        raise DagfusionError("no folder of packs is named", remedy="name one by --packs or DAGFUSION_PACKS")
    return [
        described_pack(pack, settings.packs_kept, network=settings.packs_network)
        for folder in settings.packs
        for pack in packs_in(folder)
    ]


def _reasons(name: str, found: list[PackDescription]) -> Iterator[str]:
    for one in found:
        if any(known.name == name for known in one.classes):
            yield f"{name} is of the pack {one.name}, and is here"
        elif name in one.broken:
            yield f"{name} is of the pack {one.name}, but cannot be read: {one.broken[name]}"


def _state(found: PackDescription) -> str:
    if found.error:
        return f"left out: {found.error[:120]}"
    return f"{len(found.broken)} classes left out" if found.broken else "works"


def _print_one(found: PackDescription) -> None:
    print(f"{found.name}: {len(found.classes)} classes, licence {found.licence}, imported in {found.seconds:.1f} s")
    if found.error:
        print(f"left out: {found.error}")
    for title, lines in (
        ("not let", found.blocked),
        ("classes left out", [f"{name}: {reason}" for name, reason in found.broken.items()]),
        ("asks for, and is not here", found.missing),
    ):
        if lines:
            print(f"{title}:", *(f"  {line}" for line in lines), sep="\n")
