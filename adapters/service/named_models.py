"""The model files that a workflow names, which a job needs in memory before it can compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import DagfusionError
from engine.file_inputs import named_file
from engine.folders import OWN_FOLDERS, Folders
from engine.inputs import FileChoice
from engine.schema import NodeSpec


def named_models(
    prompt: Mapping[str, Any], registry: Mapping[str, NodeSpec], folders: Folders
) -> Iterator[tuple[str, Path]]:
    """Each as ``kind/name`` and its path, as a prompt in API form names them; what is not there is left out."""
    for node in prompt.values():
        spec = registry.get(str(node.get("class_type")))
        for one in spec.given_inputs if spec else ():
            value = node.get("inputs", {}).get(one.name)
            if not isinstance(one.marker, FileChoice) or one.marker.kind in OWN_FOLDERS or not isinstance(value, str):
                continue
            try:
                path = named_file(one.marker, value, folders)
            except DagfusionError:
                continue  # the run will say so
            if path is not None:
                yield f"{one.marker.kind}/{value}", path
