"""What a run would refuse and files, sizes and names tell beforehand, so that no job waits in order to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.host.loading import load_limits
from adapters.host.settings import Settings
from engine.errors import Problem
from engine.folders import Folders
from engine.limits import Limits
from engine.memory_check import asks_for_much, with_memory
from engine.prefix_check import prefix_problems
from engine.validate import Checked, dependent_outputs
from nodes.families.checking import GIB, file_problems
from nodes.preprocessor_files import preprocessor_problems


@dataclass(frozen=True, slots=True)
class Bounds:
    """``pickled_bytes``: how large pickled model files may be. ``limits``: of what a node may make, asked for only
    where a workflow makes much.
    """

    pickled_bytes: float
    limits: Callable[[], Limits]

    @classmethod
    def of(cls, settings: Settings, limits: Callable[[], Limits] | None = None) -> Bounds:
        """As the settings have them, which are this machine's unless ``limits`` gives others."""
        return cls(settings.pickled_gib * GIB, limits or (lambda: load_limits(settings)))


def foretell(checked: Checked, prompt: Mapping[str, Any], folders: Folders, bounds: Bounds) -> Checked:
    """``checked`` with these problems too, and without the outputs that need a node which has one.

    ``prompt``: the workflow in API form. Only headers of model files are read, and of each file once.
    """
    told = with_memory(checked, bounds.limits()) if asks_for_much(checked) else checked
    nodes = {**checked.nodes, **checked.beyond}
    found: list[Problem] = [
        *told.problems[len(checked.problems) :],
        *prefix_problems(checked, prompt, folders),
        *file_problems(nodes, bounds.pickled_bytes),
        *preprocessor_problems(nodes, folders),
    ]
    if not found:
        return checked
    bad = replace(checked, problems=tuple(found))
    lost = {output for outputs in dependent_outputs(bad, checked.outputs).values() for output in outputs}
    sound = tuple(output for output in checked.outputs if output not in lost)
    return replace(checked, problems=(*checked.problems, *found), outputs=sound)
