"""``dagfusion models``: the model files that workflows can name."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from adapters.cli.session import Options, Session
from engine.folders import KINDS


def show_models(options: Options) -> None:
    """Print every model file by kind, with its size."""
    folders = Session(options).folders
    found = [
        {"kind": kind, "name": name, "path": str(path), "size_bytes": path.stat().st_size}
        for kind in KINDS
        for name in folders.files(kind)
        for path in [folders.find(kind, name)]
    ]
    if options.json:
        print(json.dumps(found))
        return
    table = Table("Kind", "Name", "MB", "Folder", title=f"{len(found)} model files", box=None)
    for file in found:
        folder = str(file["path"]).removesuffix(str(file["name"]))
        table.add_row(str(file["kind"]), str(file["name"]), f"{int(str(file['size_bytes'])) / 1e6:.1f}", folder)
    Console().print(table)
