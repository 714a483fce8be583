"""Running one node: its inputs are gathered, its function called for each of them, and what it made put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.calls import result_of
from engine.context import Context
from engine.dynamic import with_nested
from engine.errors import shortened
from engine.limits import text_bytes
from engine.live_values import LiveValues
from engine.mapping import Slots, blocked_by, calls, slots_of, without_absent
from engine.request import Request
from engine.resolved import ResolvedNode
from engine.sizes import tensor_bytes
from engine.types import Expansion

Inputs = dict[str, Sequence[Any]]


@dataclass(slots=True)
class NodeCall:
    """One node while it runs. ``made``: what each call returned; an ``Expansion`` is yet to be run.

    ``waiting``: calls of a function that is ``async def``, by their place in ``made``.
    """

    node: ResolvedNode
    ctx: Context
    request: Request
    inputs: Inputs = field(default_factory=dict)
    made: list[Slots | Expansion] = field(default_factory=list)
    waiting: dict[int, Coroutine[Any, Any, Any]] = field(default_factory=dict)
    blocked: str | None = None
    made_bytes: int = 0
    started_s: float = field(default_factory=time.perf_counter)

    def run(self, keys: Mapping[str, str], live: LiveValues) -> None:
        """Gather the inputs and call the node's function for each item of them. Where calls wait, ``finish`` goes on.

        Raises what it raises, and ``InputInvalid`` where it makes too much text.
        """
        spec, limits = self.node.spec, self.ctx.limits
        self.inputs = gather_inputs(self.node, keys, live, self.request)
        for arguments in calls(spec, self.inputs):
            self.ctx.check_cancelled()
            block = blocked_by(spec, arguments)
            if block is not None:
                self.blocked = self.blocked or block.message
                self.made.append(slots_of(spec, block))
                continue
            given = with_nested(spec, without_absent(spec, arguments))
            if spec.memory is not None:
                limits.admit(spec.memory(**given))
            if spec.disk is not None:
                limits.check_disk(int(tensor_bytes(given) * spec.disk))
            returned = spec.run(self.ctx, **given)
            if isinstance(returned, Coroutine):
                self.waiting[len(self.made)] = returned
                self.made.append(())
            else:
                self.made.append(self._made(returned))
        limits.check_text(text_bytes(self.ctx.shown.values(), limits.text_bytes))

    async def finish(self) -> None:
        """Run the calls that wait, all at a time. Raises what :meth:`run` raises."""
        waiting, self.waiting = self.waiting, {}
        returned = await asyncio.gather(*waiting.values())
        for place, value in zip(waiting, returned, strict=True):
            self.made[place] = self._made(value)
        self.ctx.limits.check_text(text_bytes(self.ctx.shown.values(), self.ctx.limits.text_bytes))

    def _made(self, returned: Any) -> Slots | Expansion:
        """What one call returned, by slots, where it is no subgraph and not too much."""
        if type(returned) is Expansion:
            return returned
        made, limits = slots_of(self.node.spec, returned), self.ctx.limits
        self.made_bytes += text_bytes(made, limits.text_bytes)
        limits.check_text(self.made_bytes)
        return made

    @property
    def shown(self) -> dict[str, tuple[Any, ...]]:
        """What the node itself showed, by kind."""
        return {kind: tuple(items) for kind, items in self.ctx.shown.items()}


def gather_inputs(node: ResolvedNode, keys: Mapping[str, str], live: LiveValues, request: Request) -> Inputs:
    """Every input as a sequence of values; lazy ones that were not asked for are ``None``."""
    inputs: Inputs = {name: (value,) for name, value in node.literals.items()}
    for name, link in node.links.items():
        entry = live.get(keys[link.node_id])
        inputs[name] = (None,) if entry is None else entry.values[link.slot]
    for name, kind in node.spec.hidden_inputs.items():
        inputs[name] = (_hidden(kind, node.id, request),)
    return inputs


def lazy_inputs_asked_for(node: ResolvedNode, keys: Mapping[str, str], live: LiveValues, call: NodeCall) -> list[str]:
    """The nodes behind lazy inputs that the node needs and that have not run yet."""
    pending = {name: node.links[name].node_id for name in node.lazy if keys[node.links[name].node_id] not in live}
    if not pending:
        return []
    if node.spec.lazy is None:
        return list(pending.values())
    asked: set[str] = set()
    for arguments in calls(node.spec, gather_inputs(node, keys, live, call.request)):
        if blocked_by(node.spec, arguments) is None:
            asked.update(result_of(node.spec.lazy(call.ctx, **arguments)) or ())
    # In the order of the links, so that runs repeat exactly.
    return [pending[name] for name in node.links if name in asked and name in pending]


def _hidden(kind: str, node_id: str, request: Request) -> Any:
    if kind == "PROMPT":
        return request.prompt
    if kind == "EXTRA_PNGINFO":
        return request.extra_pnginfo
    return node_id if kind == "UNIQUE_ID" else None


def short_text(value: Any) -> Any:
    """A few words about a value, for error reports: numbers and texts as they are, tensors by shape."""
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, str):
        return shortened(value)
    name = type(value).__name__
    shape = _shape(value)
    if shape is not None:
        return f"{name}{shape}"
    parts = (getattr(value, part, None) for part in getattr(value, "__dataclass_fields__", ()))
    shapes = [str(shape) for part in parts if (shape := _shape(part)) is not None]
    return f"{name}({', '.join(shapes)})" if shapes else name


def _shape(value: Any) -> list[Any] | None:
    shape = getattr(value, "shape", None)
    # Of other kinds of values, users' nodes make some whose shape is no numbers.
    return list(shape) if isinstance(shape, tuple) else None


def short_inputs(inputs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The inputs as an error report shows them."""
    return {
        name: short_text(values[0]) if len(values) == 1 else [short_text(v) for v in values[:10]]
        for name, values in inputs.items()
    }
