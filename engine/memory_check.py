"""How much memory and disk a workflow needs, as far as its numbers say so before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.errors import InputInvalid, Problem
from engine.limits import Limits
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT
from engine.validate import Checked

_SAMPLES_BY = frozenset({"MODEL", "GUIDER"})


def with_memory(checked: Checked, limits: Limits) -> Checked:
    """``checked``, with one more problem for each node that would make or save more at once than it may.

    This is known for nodes that make something from numbers alone, and for those that sample or save that. What other
    nodes make of linked values is known only when they run, and is refused then.
    """
    made: dict[str, int] = {}
    found = [problem for node in checked.nodes.values() for problem in _problems(node, limits, made)]
    return replace(checked, problems=(*checked.problems, *found)) if found else checked


def _problems(node: ResolvedNode, limits: Limits, made: dict[str, int]) -> Iterator[Problem]:
    """Also says in ``made`` how many bytes the node makes, where that is known."""
    known = [made[link.node_id] for link in node.links.values() if link.node_id in made]
    if node.spec.memory is not None and not node.links:
        defaults = {one.name: one.default for one in node.spec.given_inputs if one.default is not NO_DEFAULT}
        made[node.id] = node.spec.memory(**{**defaults, **node.literals})
        yield from _refused(node, limits.check_memory, made[node.id])
    elif len(known) == 1 and _samples(node):
        made[node.id] = known[0]
    if node.spec.disk is not None and known:
        yield from _refused(node, limits.check_disk, int(sum(known) * node.spec.disk))


def _samples(node: ResolvedNode) -> bool:
    """Whether the latent that it makes is as large as the one that it is given."""
    return any(one.wire in _SAMPLES_BY for one in node.spec.given_inputs)


def _refused(node: ResolvedNode, check: Callable[[int], None], needed_bytes: int) -> Iterator[Problem]:
    try:
        check(needed_bytes)
    except InputInvalid as error:
        yield Problem("custom_validation_failed", error.message, error.remedy, node.id, node.class_type)
