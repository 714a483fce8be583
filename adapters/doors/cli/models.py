"""``dagfusion models list``: the model files that workflows can name, and those that a manifest names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.doors.cli.session import Options, Session
from adapters.host.tables import print_table
from engine.counted import counted
from engine.folders import KINDS

if TYPE_CHECKING:
    from adapters.host.models.document import ListedModel
    from adapters.host.models.verify import FileCheck


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
    rows = [
        (str(file["kind"]), str(file["name"]), f"{int(str(file['size_bytes'])) / 1e6:.1f}", str(file["path"]))
        for file in found
    ]
    print_table(("Kind", "Name", "MB", "Path"), rows, title=f"{len(rows)} model files")


def show_manifest(path: Path, options: Options) -> None:
    """Print a manifest's files, and whether one of that name and size is here."""
    from adapters.host.models.places import Places
    from adapters.host.models.reading import read_manifest
    from adapters.host.models.verify import survey

    verdicts = survey(read_manifest(path).models, Places.from_settings(Session(options).settings))
    if options.json:
        print(json.dumps([verdict_document(verdict) for verdict in verdicts]))
        return
    rows = []
    for verdict in verdicts:
        model = verdict.model
        warm = "yes" if model.warm else ""
        megabytes = f"{model.size_bytes / 1e6:.1f}"
        rows.append((model.kind, model.name, megabytes, model.fetch, warm, verdict.state, source_text(model)))
    columns = ("Kind", "Name", "MB", "Fetch", "Warm", "Here", "Source")
    print_table(columns, rows, title=counted(len(rows), "file"))


def show_schema() -> None:
    """Print the JSON Schema of manifests."""
    from adapters.host.models.document import Manifest

    print(json.dumps(Manifest.model_json_schema(), indent=2))


def verdict_document(verdict: FileCheck) -> dict[str, object]:
    """A model and the state of its file, for machines."""
    model = verdict.model
    return {
        **model.model_dump(include={"kind", "name", "sha256", "size_bytes", "fetch", "warm"}),
        "state": verdict.state,
        "path": None if verdict.path is None else str(verdict.path),
    }


def source_text(model: ListedModel) -> str:
    """Where the file comes from, in a few words."""
    return " ".join(str(value) for _, value in _source_parts(model))


def _source_parts(model: ListedModel) -> Iterator[tuple[str, object]]:
    from adapters.host.models.document import Url
    from adapters.host.models.sites import shown

    if isinstance(model.source, Url):
        yield "url", shown(model.source.url)
    else:
        yield from model.source
