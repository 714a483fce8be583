"""Names of output files that a workflow asks for and that cannot be given, found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import InputInvalid, Problem
from engine.folders import Folders
from engine.output_names import expand_prefix, place_in
from engine.validate import Checked

_PREFIX = "filename_prefix"


def prefix_problems(checked: Checked, prompt: Mapping[str, Any], folders: Folders) -> Iterator[Problem]:
    """A problem for each prefix that leaves the output folder. ``prompt``: the workflow, whose values it may name."""
    for node in checked.nodes.values():
        prefix = node.literals.get(_PREFIX)
        if not node.spec.output_node or not isinstance(prefix, str):
            continue
        try:
            place_in(folders.output, prefix, expand_prefix(prefix, width_px=1, height_px=1, prompt=prompt))
        except InputInvalid as error:
            yield Problem("custom_validation_failed", error.message, error.remedy, node.id, node.class_type, _PREFIX)
