"""Files that are older than an input lack it: it has its default then, which is told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.folders import Folders
from engine.inputs import FileChoice
from engine.links import given_inputs
from engine.schema import NO_DEFAULT
from engine.validate import inspect
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

REGISTRY = builtin_registry()


def missing_from(class_type: str, inputs: dict[str, Any]) -> list[str]:
    workflow = Workflow(nodes={"1": NodeDocument(class_type=class_type, inputs=inputs)})
    checked = inspect(workflow, REGISTRY, Folders({}), ["1"])
    assert {problem.code for problem in checked.problems} <= {"required_input_missing", "value_not_in_list"}
    return [problem.input or "" for problem in checked.problems]


@pytest.mark.parametrize(
    ("class_type", "filled"),
    [
        ("VAEEncodeForInpaint", {"grow_mask_by": 6}),
        ("VAEDecodeTiled", {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}),
        ("ImageScaleToTotalPixels", {"megapixels": 1.0, "resolution_steps": 1, "upscale_method": "nearest-exact"}),
    ],
)
def test_what_older_files_lack_is_no_problem(class_type: str, filled: dict[str, Any]) -> None:
    for name, value in filled.items():
        assert REGISTRY[class_type].inputs[name].default == value
    assert not filled.keys() & set(missing_from(class_type, {}))


@pytest.mark.parametrize("class_type", sorted(REGISTRY))
def test_only_links_files_and_texts_without_a_default_have_to_be_given(class_type: str) -> None:
    missing = missing_from(class_type, {})
    for _, spec in given_inputs(REGISTRY[class_type], {}):
        assert spec is not None
        has_default = spec.is_widget and spec.default is not NO_DEFAULT
        if spec.required and not isinstance(spec.marker, FileChoice):
            assert (spec.name in missing) == (not has_default)
