"""Converts every UI-form workflow of a folder to API form and prints what was kept, dropped and lost.

    python -m benchmarks.templates FOLDER [--notes]

The workflows that ComfyUI ships are in the wheel ``comfyui-workflow-templates-json`` on PyPI; unpack it anywhere.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.convert import convert
from engine.convert.litegraph import Mode, read_ui_document
from engine.convert.subgraphs import expand, walk
from engine.convert.virtual import is_virtual
from engine.errors import DagfusionError
from engine.registry import Registry
from engine.strict_json import parse_json
from engine.unwrap import is_ui
from nodes import builtin_registry


@dataclass
class Tally:
    """Counts over all files."""

    files: Counter[str] = field(default_factory=Counter)
    nodes: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, name: str, document: Mapping[str, Any], registry: Registry) -> None:
        """Convert one file and count."""
        start = time.perf_counter()
        try:
            conversion = convert(document, registry)
        except DagfusionError as error:
            self.files["failed"] += 1
            self.examples[f"failed: {name}"] = str(error)
            return
        self.seconds += time.perf_counter() - start
        self.files["converted"] += 1
        self.files["without a note"] += not conversion.notes
        self.nodes["kept"] += len(conversion.nodes)
        for kept in conversion.nodes.values():
            if kept.class_type not in registry:
                self.nodes["kept, of a class that is not known here"] += 1
                self.unknown[kept.class_type] += 1
        for scope, node in walk(expand(read_ui_document(document))):
            self.nodes["in the files, subgraphs expanded"] += 1
            if is_virtual(node, known=node.type in registry):
                self.nodes["dropped: notes, reroutes, primitives"] += 1
            elif not node.runs or not scope.runs:
                mode = "muted" if node.mode == Mode.MUTED else "bypassed"
                self.nodes[f"dropped: {mode if not node.runs else 'in a subgraph that does not run'}"] += 1
        for note in conversion.notes:
            known = "known class" if note.class_type in registry else "unknown class"
            kind = f"{note.kind}, {known}: {_general(note.message)}"
            self.notes[kind] += 1
            self.examples.setdefault(kind, f"{name}: {note}")


def _general(message: str) -> str:
    """The message without names and numbers, so that alike ones are counted together."""
    return re.sub(r"\(\w[^)]*\)|\d+(:\d+)*", "_", re.sub(r"'[^']*'( = .*?(?=:))?", "_", message))


def measure(folder: Path) -> Tally:
    """Convert all UI-form JSON below ``folder``."""
    tally, registry = Tally(), builtin_registry()
    for path in sorted(folder.rglob("*.json")):
        document = parse_json(path.read_bytes(), path.name)
        if isinstance(document, dict) and is_ui(document):
            tally.add(path.name, document, registry)
    return tally


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--notes", action="store_true", help="show an example of every kind of note")
    options = parser.parse_args()
    tally = measure(options.folder)
    for title, counts in (("files", tally.files), ("nodes", tally.nodes), ("notes", tally.notes)):
        print(title)
        for name, count in counts.most_common():
            print(f"  {count:6d}  {name}")
            if options.notes and name in tally.examples:
                print(f"          e.g. {tally.examples[name][:200]}")
    print(f"unknown classes: {len(tally.unknown)}; most frequent: {tally.unknown.most_common(12)}")
    print(f"{tally.seconds:.2f} s in all; {1000 * tally.seconds / max(1, tally.files['converted']):.1f} ms a file")


if __name__ == "__main__":
    main()
