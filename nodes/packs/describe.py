"""``python -m nodes.packs.describe PACK OUT``: imports a pack and writes its description. A process of its own, so that
one that exits, hangs or prints harms nobody.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

from engine.folders import Folders
from nodes.packs import guard, missing, running
from nodes.packs.description import PackDescription
from nodes.packs.file_lists import LISTED
from nodes.packs.found import Pack
from nodes.packs.importing import import_pack
from nodes.packs.reading import read_class
from nodes.packs.registering import node_classes

_LICENCES = ("AGPL", "LGPL", "GPL", "Apache", "MIT", "BSD", "MPL", "CC BY", "Unlicense")


def describe(pack: Pack, *, network: bool = False) -> PackDescription:
    """What the pack registers; where its import fails, why."""
    described = PackDescription(name=pack.name, digest=pack.digest(), licence=licence_of(pack.path))
    before, began_s = set(missing.asked), time.monotonic()
    try:
        with guard.importing(described.blocked, network=network):
            module = import_pack(pack)
            found = dict(node_classes(module))
            for name, (node_class, display_name) in found.items():
                _add(described, name, node_class, display_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a pack's code; whatever it raises is what is told
        described.error = f"{type(error).__name__}: {error}"[:2000]
    described.seconds = time.monotonic() - began_s
    described.missing = sorted(missing.asked - before)
    return described


def _add(described: PackDescription, name: str, node_class: Any, display_name: str) -> None:
    try:
        described.classes.append(read_class(name, node_class, display_name))
    except Exception as error:  # noqa: BLE001 - a pack's code; the others of its classes are read
        described.broken[name] = f"{type(error).__name__}: {error}"[:500]


def licence_of(path: Path) -> str:
    """What the pack's licence file calls itself; ``none found`` where there is no such file."""
    files = sorted(path.glob("LICEN[CS]E*")) if path.is_dir() else []
    if not files:
        return "none found"
    head = files[0].read_text(encoding="utf-8", errors="replace")[:2000]
    known = {"AFFERO": "AGPL", "LESSER GENERAL": "LGPL", "GENERAL PUBLIC": "GPL", "APACHE": "Apache-2.0"}
    for word, name in known.items():
        if word in head.upper():
            return name
    return next((name for name in _LICENCES if re.search(rf"\b{name}\b", head)), files[0].name)


def main(arguments: list[str]) -> int:
    """Describe the pack that ``arguments`` names."""
    from nodes import builtin_registry

    path, out, *flags = arguments
    running.serve(Folders(), builtin_registry())
    for name in LISTED:
        (running.folders().input / name).touch()
    Path(out).write_text(describe(Pack(Path(path)), network="--network" in flags).model_dump_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
