"""Calls a pack's class: our values become ComfyUI's for it, and what it returns becomes ours."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from engine.calls import result_of
from engine.context import Context
from engine.types import Absent, Blocked, Expansion
from nodes.packs.description import PackClass
from nodes.packs.host.graph import DynamicPrompt
from nodes.packs.host.graph_utils import ExecutionBlocker
from nodes.packs.loaded import LoadedPack
from nodes.packs.running import running
from nodes.packs.shown import show
from nodes.packs.values import CallInputs, to_ours


@dataclass(slots=True)
class PackNode:
    """One class of a pack. It is imported when it is first needed; an instance is made for every call."""

    pack: LoadedPack
    described: PackClass

    def __call__(self, ctx: Context, arguments: Mapping[str, Any]) -> Any:
        """Run it; what is ``async def`` goes on beside the run. Raises what the pack raises."""
        given = CallInputs()
        with running(ctx):
            made = self._called(ctx, self._inputs(arguments, given))
            return self._later(ctx, made, given) if isawaitable(made) else self._returned(ctx, made, given)

    async def _later(self, ctx: Context, made: Awaitable[Any], given: CallInputs) -> Any:
        with running(ctx):
            return self._returned(ctx, await made, given)

    def fingerprint(self, ctx: Context, **literals: Any) -> Any:
        """What the class says its result depends on beside its inputs; NaN: run it every time."""
        with running(ctx):
            node_class = self.pack.class_of(self.described.name, ctx.folders)
            function = node_class.IS_CHANGED if self.described.api == "V1" else node_class.fingerprint_inputs
            return result_of(function(**_known_to(function, self._inputs(literals, CallInputs()))))

    def lazy(self, ctx: Context, **arguments: Any) -> list[str]:
        """Which of its lazy inputs it needs."""
        with running(ctx):
            node_class = self.pack.class_of(self.described.name, ctx.folders)
            owner = node_class() if self.described.api == "V1" else node_class
            function = owner.check_lazy_status
            wanted = result_of(function(**_known_to(function, self._inputs(arguments, CallInputs()))))
        return [wanted] if isinstance(wanted, str) else list(wanted or ())

    def validate(self, ctx: Context, literals: Mapping[str, Any]) -> str | None:
        """What the class itself finds wrong with typed-in values; ``None`` for nothing."""
        with running(ctx):
            node_class = self.pack.class_of(self.described.name, ctx.folders)
            function = node_class.VALIDATE_INPUTS if self.described.api == "V1" else node_class.validate_inputs
            found = result_of(function(**_known_to(function, self._inputs(literals, CallInputs()))))
        if found is True or found is None:
            return None
        return str(found) if found else "the pack's class does not take these inputs"

    def _inputs(self, arguments: Mapping[str, Any], given: CallInputs) -> dict[str, Any]:
        made: dict[str, Any] = {}
        hidden = self.described.hidden
        for name, value in arguments.items():
            if name in hidden:
                made[name] = DynamicPrompt(value) if hidden[name] == "DYNPROMPT" else value
                continue
            group, dot, inner = name.partition(".")
            if dot and group in self.described.grows:
                made.setdefault(group, {})[inner] = given.converted(value)
            else:
                made[name] = given.converted(value)
        return made

    def _called(self, ctx: Context, inputs: dict[str, Any]) -> Any:
        node_class = self.pack.class_of(self.described.name, ctx.folders)
        if self.described.api == "V1":
            return getattr(node_class(), node_class.FUNCTION)(**inputs)
        hidden = {name: inputs.pop(name, None) for name in self.described.hidden}
        bound = node_class.bound_to({**hidden, "unique_id": hidden.get("UNIQUE_ID", ctx.node_id)})
        return bound.execute(**inputs)

    def _returned(self, ctx: Context, made: Any, given: CallInputs) -> Any:
        result, expanded = made, None
        if hasattr(made, "is_node_output"):
            show(ctx, made.ui)
            if made.block_execution is not None:
                return Blocked(str(made.block_execution))
            result, expanded = made.args, made.expand
        elif isinstance(made, Mapping):
            show(ctx, made.get("ui"))
            result, expanded = made.get("result", ()), made.get("expand")
        if expanded is not None:
            return Expansion(_graph(expanded), tuple(_link_or(value, given) for value in result))
        return self._slots(result, given)

    def _slots(self, result: Any, given: CallInputs) -> Any:
        outputs = self.described.outputs
        if isinstance(result, ExecutionBlocker):
            return Blocked(result.message)
        if not outputs:
            return None
        values = list(result) if isinstance(result, tuple | list) else [] if result is None else [result]
        missing = (
            f"class '{self.described.name}' of pack '{self.pack.pack.name}' declares this output, but did not return it"
        )
        values += [Absent(missing)] * (len(outputs) - len(values))
        made = [
            _slot(value, output.type, output.is_list, given) for value, output in zip(values, outputs, strict=False)
        ]
        return made[0] if len(outputs) == 1 else tuple(made)


def _slot(value: Any, wire: str, is_list: bool, given: CallInputs) -> Any:
    if isinstance(value, ExecutionBlocker):
        return Blocked(value.message)
    if is_list and isinstance(value, list | tuple):
        return [to_ours(item, wire, given) for item in value]
    return to_ours(value, wire, given)


def _graph(expanded: Any) -> Mapping[str, Mapping[str, Any]]:
    """API-form nodes. Values in it that are no JSON are ours already, or the pack's own."""
    return {
        str(node_id): {
            "class_type": node["class_type"],
            "inputs": {name: _graph_value(value) for name, value in node.get("inputs", {}).items()},
        }
        for node_id, node in expanded.items()
    }


def _graph_value(value: Any) -> Any:
    return value if isinstance(value, list | str | int | float | bool | None) else to_ours(value, "*", CallInputs())


def _link_or(value: Any, given: CallInputs) -> Any:
    from engine.types import Link

    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return Link(value[0], value[1])
    return to_ours(value, "*", given)


def _known_to(function: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the function names; ``None`` for those it needs and that are not known yet."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return dict(values)
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(values)
    names = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = {p.name: None for p in names if p.default is p.empty}
    return {**needed, **{p.name: values[p.name] for p in names if p.name in values}}
