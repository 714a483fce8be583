"""What saving nodes made, put into the folders as a run does."""

from __future__ import annotations

from pathlib import Path

from engine.context import Context
from engine.publishing import Publication, PublishedFiles
from engine.request import Request
from engine.types import SavedFile
from engine.workflow import NodeDocument, Workflow

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}, "_meta": {"title": "Säve"}}}
EXTRA = {"workflow": {"nodes": []}}
REQUEST = Request(
    Workflow(
        nodes={"1": NodeDocument(class_type="SaveImage", inputs={"filename_prefix": "x"}, title="Säve")},
        extra_pnginfo=EXTRA,
    )
)
_NAMED = PublishedFiles()


def files(ctx: Context, kind: str = "images") -> list[SavedFile]:
    """Files that were shown as ``kind``. Those that are there already are not written again."""
    found = Publication(_NAMED, ctx.folders, REQUEST).of({kind: tuple(ctx.shown[kind])})[kind]
    return [file for file in found if isinstance(file, SavedFile)]


def paths(ctx: Context, kind: str = "images") -> list[Path]:
    """Where those are."""
    return [ctx.folders.path_of(file) for file in files(ctx, kind)]
