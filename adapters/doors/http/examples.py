"""The example workflows that come with dagfusion: what each does, whether it can run here, and the files it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from engine.document import read_workflow
from engine.folders import Folders
from engine.schema import NodeSpec
from engine.validate import inspect
from engine.workflow import Workflow

_GRAPHS = Path(__file__).parents[3] / "graphs"
_INPUT = _GRAPHS / "input"
_ROW = re.compile(r"^\| `(\w+)\.json` \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """An example workflow. ``description``: one line for readers."""

    name: str
    description: str
    registry: Mapping[str, NodeSpec]

    @cached_property
    def workflow(self) -> Workflow:
        """It, in API form."""
        return read_workflow(_GRAPHS / f"{self.name}.json", self.registry)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The pictures that it reads, by the names that it has for them."""
        values = {
            value for node in self.workflow.nodes.values() for value in node.inputs.values() if isinstance(value, str)
        }
        return {path.name: path.read_bytes() for path in sorted(_INPUT.iterdir()) if path.name in values}

    def runs(self, folders: Folders) -> bool:
        """Whether all model files that it names are there."""
        return not inspect(self.workflow, self.registry, replace(folders, input=_INPUT)).problems


def examples(registry: Mapping[str, NodeSpec]) -> dict[str, Example]:
    """All of them by name, in the order in which their README tells of them; none where it is not installed."""
    readme = _GRAPHS / "README.md"
    rows = _ROW.findall(readme.read_text(encoding="utf-8")) if readme.is_file() else []
    return {name: Example(name, description, registry) for name, description in rows}
