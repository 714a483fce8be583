"""How much memory and disk a workflow needs, as far as its numbers say so before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import InputInvalid, Problem
from engine.limits import SMALL_BYTES, Limits
from engine.resolved import ResolvedNode
from engine.schema import NO_DEFAULT
from engine.validate import Checked

_SIZES = ("width", "height", "length", "batch_size")
_SAMPLES_BY = frozenset({"MODEL", "GUIDER"})


def with_memory(checked: Checked, limits: Limits) -> Checked:
    """``checked``, with one more problem for each node that would make or save more at once than it may.

    This is known for nodes that make something from numbers alone, and for those that sample, decode or save that. What
    other nodes make of linked values is known only when they run, and is refused then.
    """
    made: dict[str, int] = {}
    pixels: dict[str, int] = {}
    found = [problem for node in checked.nodes.values() for problem in _problems(node, limits, made, pixels)]
    return replace(checked, problems=(*checked.problems, *found)) if found else checked


def asks_for_much(checked: Checked) -> bool:
    """Whether a node makes more from nothing, or has it decoded, than is worth a look at what there may be."""
    return any(max(_from_numbers(node), _decoded_bytes(_pixels(node))) > SMALL_BYTES for node in checked.nodes.values())


def _problems(node: ResolvedNode, limits: Limits, made: dict[str, int], pixels: dict[str, int]) -> Iterator[Problem]:
    """Also says in ``made`` how many bytes the node makes, where that is known, and in ``pixels`` of what pictures."""
    known = [made[link.node_id] for link in node.links.values() if link.node_id in made]
    if node.spec.memory is not None and not node.links:
        made[node.id], pixels[node.id] = _from_numbers(node), _pixels(node)
        yield from _refused(node, limits.check_memory, made[node.id])
    elif len(known) == 1 and _samples(node):
        made[node.id] = known[0]
        pixels[node.id] = next((pixels[link.node_id] for link in node.links.values() if link.node_id in pixels), 0)
    elif len(known) == 1 and node.spec.memory is not None and (needed := _decoded_bytes(_sent(node, pixels))):
        made[node.id] = needed // 2
        yield from _refused(node, limits.check_memory, needed)
    if node.spec.disk is not None and known:
        yield from _refused(node, limits.check_disk, int(sum(known) * node.spec.disk))


def _from_numbers(node: ResolvedNode) -> int:
    """Bytes that a node makes from nothing but numbers; 0 of others."""
    if node.spec.memory is None or node.links:
        return 0
    return node.spec.memory(**_values(node))


def _values(node: ResolvedNode) -> dict[str, Any]:
    defaults = {one.name: one.default for one in node.spec.given_inputs if one.default is not NO_DEFAULT}
    return {**defaults, **node.literals}


def _pixels(node: ResolvedNode) -> int:
    """Of all pictures that the latent stands for which a node makes from numbers; 0 of other nodes."""
    values = _values(node)
    if node.links or "width" not in values or not any(output.wire == "LATENT" for output in node.spec.outputs):
        return 0
    return math.prod(int(values.get(name, 1)) for name in _SIZES)


def _sent(node: ResolvedNode, pixels: Mapping[str, int]) -> int:
    """Of the pictures that a node makes of a latent; 0 of other nodes."""
    if not any(output.wire == "IMAGE" for output in node.spec.outputs):
        return 0
    latents = (link.node_id for name, link in node.links.items() if node.spec.inputs[name].wire == "LATENT")
    return max((pixels.get(node_id, 0) for node_id in latents), default=0)


def _decoded_bytes(pixels: int) -> int:
    """What decoding takes: the decoder's planes of three levels, and those turned into pictures."""
    return 2 * pixels * 3 * 4


def _samples(node: ResolvedNode) -> bool:
    """Whether the latent that it makes is as large as the one that it is given."""
    return any(one.wire in _SAMPLES_BY for one in node.spec.given_inputs)


def _refused(node: ResolvedNode, check: Callable[[int], None], needed_bytes: int) -> Iterator[Problem]:
    try:
        check(needed_bytes)
    except InputInvalid as error:
        yield Problem("custom_validation_failed", error.message, error.remedy, node.id, node.class_type)
