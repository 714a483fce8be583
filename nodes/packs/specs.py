"""A pack's class as one of ours: its description becomes a schema, and its code is imported when it first runs."""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from engine.inputs import Bool, Choice, DynamicChoice, FileChoice, Float, Given, Hidden, Int, Text, Wire
from engine.registry import USER_NODES
from engine.resolve import LINKED_TYPES
from engine.schema import NO_DEFAULT, NodeSpec
from nodes.packs import running
from nodes.packs.description import PackClass, PackInput

if TYPE_CHECKING:
    from nodes.packs.calling import PackNode
    from nodes.packs.loaded import LoadedPack


class _Node:
    """A class that is yet to be called: what calls it needs torch."""

    def __init__(self, pack: LoadedPack, described: PackClass) -> None:
        self.pack, self.described = pack, described

    @cached_property
    def called(self) -> PackNode:
        """What calls it."""
        from nodes.packs.calling import PackNode

        return PackNode(self.pack, self.described)

    def fingerprint(self, ctx: Any, **literals: Any) -> Any:
        """See :class:`nodes.packs.calling.PackNode`."""
        return self.called.fingerprint(ctx, **literals)

    def lazy(self, ctx: Any, **arguments: Any) -> list[str]:
        """See :class:`nodes.packs.calling.PackNode`."""
        return self.called.lazy(ctx, **arguments)


def spec_of(described: PackClass, pack: LoadedPack) -> NodeSpec:
    """The class as the engine knows classes. Nothing of the pack is imported."""
    node = _Node(pack, described)
    run = _run(node)
    run.__module__ = f"{USER_NODES}.{pack.pack.module}"
    run.__qualname__ = described.name
    run.__doc__ = described.description
    run.__annotations__ = {"return": _returned(described)}
    inputs = {given.name: (_annotation(given), _default(given)) for given in described.inputs}
    hidden = {name: (Annotated[Any, Hidden(_filled_with(kind))], NO_DEFAULT) for name, kind in described.hidden.items()}
    return NodeSpec(
        name=described.name,
        run=run,
        category=described.category,
        display_name=described.display_name,
        output_node=described.output_node,
        # Files that a pack writes by itself are written by each run.
        cacheable=not described.output_node,
        input_is_list=described.input_is_list,
        output_names=tuple(output.name for output in described.outputs),
        output_is_list=tuple(output.is_list for output in described.outputs),
        fingerprint=node.fingerprint if described.fingerprints else None,
        lazy=node.lazy if described.lazy else None,
        validate=_validate(node) if described.validates is not None else None,
        version=pack.digest,
        experimental=described.experimental,
        deprecated=described.deprecated,
        accepts_any_input=described.takes_any,
        search_aliases=tuple(described.search_aliases),
        more_inputs={**inputs, **hidden},
    )


def _run(node: _Node) -> Callable[..., Any]:
    def run(ctx: Any, **given: Any) -> Any:
        return node.called(ctx, given)

    return run


def _returned(described: PackClass) -> Any:
    """A named tuple with a field an output, or ``None``; their names for people are said apart."""
    if not described.outputs:
        return None
    fields = [f"output_{number}" for number in range(len(described.outputs))]
    made: Any = namedtuple("Returned", fields)  # type: ignore[misc]
    made.__annotations__ = {
        field: Annotated[Any, Wire(output.type)] for field, output in zip(fields, described.outputs, strict=True)
    }
    return made


def _validate(node: _Node) -> Callable[..., Any]:
    """The class's own check, with the parameters that it names: those it checks instead of us."""
    names = node.described.validates or []
    known = {LINKED_TYPES, *(given.name for given in node.described.inputs)}

    def validate(ctx: Any, **literals: Any) -> Any:
        # It takes the pack's code, which the processes that only take and check workflows do without.
        return node.called.validate(ctx, literals) if running.computes() else None

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in dict.fromkeys(names) if n in known]
    rest = [inspect.Parameter("rest", inspect.Parameter.VAR_KEYWORD)] if "*" in names else []
    validate.__signature__ = inspect.Signature([context, *named, *rest])  # type: ignore[attr-defined]
    return validate


def _filled_with(kind: str) -> str:
    return "PROMPT" if kind == "DYNPROMPT" else kind


def _default(given: PackInput) -> Any:
    return given.options.get("default", NO_DEFAULT)


def _annotation(given: PackInput) -> Any:
    if given.type == "COMBO" and given.options.get("forceInput"):
        return _link(given)
    return _ANNOTATIONS.get(given.type, _link)(given)


def _whole_number(given: PackInput) -> Any:
    after = bool(given.options.get("control_after_generate"))
    return Annotated[int, Int(**_bounds(given), control_after_generate=after, **_widget(given))]


def _number(given: PackInput) -> Any:
    return Annotated[float, Float(**_bounds(given), round=given.options.get("round"), **_widget(given))]


def _text(given: PackInput) -> Any:
    options = given.options
    shown: dict[str, Any] = {
        "multiline": bool(options.get("multiline")),
        "dynamic_prompts": bool(options.get("dynamicPrompts")),
    }
    return Annotated[str, Text(**shown, placeholder=str(options.get("placeholder") or ""), **_widget(given))]


def _truth(given: PackInput) -> Any:
    labels: dict[str, Any] = {name: str(given.options.get(name) or "") for name in ("label_on", "label_off")}
    return Annotated[bool, Bool(**labels, **_widget(given))]


def _choice(given: PackInput) -> Any:
    shared = _shared(given)
    if given.files is None:
        return Annotated[Any, Choice(*given.choices, **shared)]
    files = given.files
    shared.pop("lazy")
    around: dict[str, Any] = {
        "before": tuple(files.before),
        "after": tuple(files.after),
        "upload": given.options.get("upload"),
    }
    return Annotated[str, FileChoice(files.kind, **around, **shared)]


def _dynamic(given: PackInput) -> Any:
    fields = {key: {one.name: _given(one) for one in inner} for key, inner in given.fields.items()}
    tooltip = str(given.options.get("tooltip") or "")
    return Annotated[Any, DynamicChoice(fields, optional=not given.required, tooltip=tooltip)]


def _link(given: PackInput) -> Any:
    return Annotated[Any, Wire(given.type, **_shared(given), literal="default" in given.options)]


def _shared(given: PackInput) -> dict[str, Any]:
    tooltip, lazy = str(given.options.get("tooltip") or ""), bool(given.options.get("lazy"))
    return {"optional": not given.required, "lazy": lazy, "tooltip": tooltip}


def _widget(given: PackInput) -> dict[str, Any]:
    return {**_shared(given), "force_input": bool(given.options.get("forceInput"))}


def _bounds(given: PackInput) -> dict[str, Any]:
    return {key: given.options[key] for key in ("min", "max", "step", "display") if key in given.options}


def _given(described: PackInput) -> Given:
    return Given(_annotation(described), _default(described))


_ANNOTATIONS: Mapping[str, Callable[[PackInput], Any]] = {
    "INT": _whole_number,
    "FLOAT": _number,
    "STRING": _text,
    "BOOLEAN": _truth,
    "COMBO": _choice,
    "DYNAMIC": _dynamic,
}
