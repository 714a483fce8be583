"""What a workflow asks for in memory, as far as its nodes' own numbers tell, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.errors import InputInvalid, Problem
from engine.limits import Limits
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT
from engine.validate import Checked


def with_memory(checked: Checked, limits: Limits) -> Checked:
    """``checked`` with a problem more for each node that would make more at once than it may, from nothing but numbers.

    What others make of linked values is only known when they run, and refused then.
    """
    found = [problem for node in checked.nodes.values() for problem in _problems(node, limits)]
    return replace(checked, problems=(*checked.problems, *found)) if found else checked


def _problems(node: ResolvedNode, limits: Limits) -> Iterator[Problem]:
    if node.spec.memory is None or node.links:
        return
    defaults = {one.name: one.default for one in node.spec.given_inputs if one.default is not NO_DEFAULT}
    try:
        limits.check_memory(node.spec.memory(**{**defaults, **node.literals}))
    except InputInvalid as error:
        yield Problem("custom_validation_failed", error.message, error.remedy, node.id, node.class_type)
