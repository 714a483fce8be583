"""What is wrong with the model files that a checked workflow names, told by their headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import Problem
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from nodes.families.found import families
from nodes.families.headers import read_shapes
from nodes.families.recognition import recognise

DENOISER_FOLDERS = frozenset({"checkpoints", "diffusion_models"})
CODE = "model_not_supported"


def file_problems(nodes: Mapping[str, ResolvedNode]) -> Iterator[Problem]:
    """A problem for each denoiser's file that is of a family which cannot be loaded."""
    for node_id, node in nodes.items():
        for name, path in node.files.items():
            marker = node.spec.inputs[name].marker
            if not isinstance(marker, FileChoice) or marker.kind not in DENOISER_FOLDERS:
                continue
            found = recognise(read_shapes(path) or {})
            if found is not None and found.family is None:
                here = ", ".join(family.title for family in families().values())
                yield Problem(
                    CODE,
                    f"'{path.name}' is of the family {found.title}, which cannot be loaded",
                    f"the families here are: {here}",
                    node_id=node_id,
                    class_type=node.spec.name,
                    input=name,
                )
