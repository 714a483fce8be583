"""What a node is, read off its function's signature: names, types, defaults, ranges, outputs."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from engine.inputs import (
    Bool,
    Choice,
    DynamicChoice,
    Edited,
    FileChoice,
    Float,
    Growing,
    Hidden,
    Int,
    Matched,
    Shown,
    Text,
    Wire,
)

Marker = Int | Float | Text | Bool | Choice | DynamicChoice | Edited | FileChoice | Growing | Hidden | Matched | Wire
NO_DEFAULT: Any = inspect.Parameter.empty
MATCHED, GROWING, CHOOSING = "COMFY_MATCHTYPE_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICCOMBO_V3"
_PLAINLY_SHOWN = Shown()

_NO_WIRE = ("Expansion", "Blocked", "Absent")

_PLAIN: dict[Any, tuple[str, Marker]] = {
    int: ("INT", Int()),
    float: ("FLOAT", Float()),
    str: ("STRING", Text()),
    bool: ("BOOLEAN", Bool()),
}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input: its wire type, whether it must be given, its default and the marker with its range or choices.

    ``takes_absent``: the node can do without what the node before it turns out not to have. ``shown``: what user
    interfaces need to know besides. ``item``: the annotation of one of the inputs of a growing one.
    """

    name: str
    wire: str
    marker: Marker
    required: bool
    default: Any = NO_DEFAULT
    takes_absent: bool = False
    shown: Shown = _PLAINLY_SHOWN
    item: Any = None

    @property
    def hidden(self) -> bool:
        """Whether the engine fills it rather than the workflow."""
        return isinstance(self.marker, Hidden)

    @property
    def is_widget(self) -> bool:
        """Whether the value is typed in (a number, text, choice), so that UI files carry it by position."""
        if isinstance(self.marker, Wire | Hidden | Matched | Growing):
            return False
        return not getattr(self.marker, "force_input", False)

    @property
    def takes(self) -> str:
        """The wire types that may be linked to it, with commas between."""
        return self.marker.allowed if isinstance(self.marker, Matched) else self.wire

    @property
    def lazy(self) -> bool:
        """Whether the input is computed only if the node asks for it."""
        return bool(getattr(self.marker, "lazy", False))


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output slot: its wire type, its name for people, and whether it is a list to map over.

    ``group``: of the inputs whose type it has, where it has one's.
    """

    name: str
    wire: str
    is_list: bool = False
    group: str = ""


@dataclass(frozen=True)
class NodeSpec:
    """A node class: its schema and the function that runs it.

    ``run(ctx, **inputs)`` is the decorated function, unchanged. ``fingerprint(ctx, **literals)`` names what else the
    result depends on; ``lazy(ctx, **inputs)`` names the lazy inputs that are needed (not yet known ones are ``None``);
    ``validate(ctx, **literals)`` returns an error message or ``None``. ``keep``: what it makes costs more to make than
    to read, and depends on nothing but inputs, files and fingerprint, also after a restart: it may be kept on disk.
    ``aside``: it works on files and needs no device, so other runs compute meanwhile. ``memory(**inputs)``: the bytes
    that it takes for what it makes; more than there may be is refused before it runs. ``disk``: about how many
    bytes of files it saves for each byte of tensors that it is given. ``more_inputs``: (annotated type,
    default) by names that Python has no parameters for, which ``run`` takes as ``**`` after the others.
    ``intermediate_output``: what it shows belongs to work that goes on, not among a job's results.
    """

    name: str
    run: Callable[..., Any]
    category: str
    display_name: str = ""
    output_node: bool = False
    cacheable: bool = True
    keep: bool = False
    aside: bool = False
    input_is_list: bool = False
    output_is_list: tuple[bool, ...] = ()
    output_names: tuple[str, ...] = ()
    fingerprint: Callable[..., Any] | None = None
    lazy: Callable[..., Any] | None = None
    validate: Callable[..., str | None] | None = None
    memory: Callable[..., int] | None = None
    disk: float | None = None
    version: str = "1"
    experimental: bool = False
    deprecated: bool = False
    accepts_any_input: bool = False
    search_aliases: tuple[str, ...] = ()
    essentials_category: str = ""
    intermediate_output: bool = False
    more_inputs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.run) or ""

    @cached_property
    def inputs(self) -> Mapping[str, InputSpec]:
        """All inputs by name, in ComfyUI's order: required ones first, then optional ones, then hidden ones."""
        hints = get_type_hints(self.run, include_extras=True)
        parameters = list(inspect.signature(self.run).parameters.values())[1:]
        named = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
        specs = [input_spec(p.name, hints.get(p.name), p.default) for p in named]
        specs += [input_spec(name, hint, default) for name, (hint, default) in self.more_inputs.items()]
        specs.sort(key=lambda spec: (spec.hidden, not spec.required))
        return {spec.name: spec for spec in specs}

    @cached_property
    def given_inputs(self) -> tuple[InputSpec, ...]:
        """The inputs that a workflow gives: all but the hidden ones."""
        return tuple(spec for spec in self.inputs.values() if not spec.hidden)

    @cached_property
    def hidden_inputs(self) -> Mapping[str, str]:
        """What the engine fills each hidden input with (``PROMPT`` ...), by input name."""
        return {name: spec.wire for name, spec in self.inputs.items() if spec.hidden}

    @cached_property
    def dynamic_inputs(self) -> frozenset[str]:
        """The inputs that stand for others: choices whose options have inputs of their own, and growing ones."""
        return frozenset(n for n, spec in self.inputs.items() if isinstance(spec.marker, DynamicChoice | Growing))

    @cached_property
    def lazy_inputs(self) -> frozenset[str]:
        """The inputs that are computed only if the node asks for them."""
        return frozenset(name for name, spec in self.inputs.items() if spec.lazy)

    @cached_property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """Output slots in order; a NamedTuple return type gives several, ``None`` none."""
        hints = get_type_hints(self.run, include_extras=True)
        found = output_specs(hints.get("return"))
        lists = self.output_is_list or (False,) * len(found)
        names = self.output_names or tuple(spec.name for spec in found)
        return tuple(
            replace(spec, name=name, is_list=is_list) for spec, name, is_list in zip(found, names, lists, strict=True)
        )


def input_spec(name: str, annotation: Any, default: Any = NO_DEFAULT) -> InputSpec:
    """Read one parameter. Raises ``TypeError`` for an annotation that has no wire type."""
    inner, accepts_none = _without_none(annotation)
    wire, marker, shown = _read(inner, name)
    if isinstance(marker, Choice | DynamicChoice) and default is NO_DEFAULT and marker.values:
        default = marker.values[0]
    optional = accepts_none or bool(getattr(marker, "optional", False))
    absent = wire in ("*", MATCHED) or any(getattr(a, "__name__", "") == "Absent" for a in get_args(annotation))
    item = _item_of(inner, name) if isinstance(marker, Growing) else None
    return InputSpec(name, wire, marker, not optional, default, takes_absent=absent, shown=shown, item=item)


def output_specs(annotation: Any) -> tuple[OutputSpec, ...]:
    """Read a return annotation: one value, a NamedTuple of values, or ``None``."""
    if annotation is None or annotation is type(None):
        return ()
    several, _ = _without_none(annotation)
    if isinstance(several, type) and issubclass(several, tuple) and hasattr(several, "_fields"):
        hints = get_type_hints(several, include_extras=True)
        return tuple(_output(hints[field], field) for field in several._fields)
    return (replace(made := _output(annotation, "return"), name=made.wire),)


def _output(annotation: Any, name: str) -> OutputSpec:
    inner, _ = _without_none(annotation)
    if get_origin(inner) is list:
        inner = get_args(inner)[0]
    wire, marker, _ = _read(inner, name)
    return OutputSpec(name, wire, group=marker.group if isinstance(marker, Matched) else "")


def _item_of(annotation: Any, name: str) -> Any:
    """``Image`` of ``Grow[Image]``."""
    mapping = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if len(get_args(mapping)) != 2:
        raise TypeError(f"parameter '{name}': a growing input is annotated Grow[TYPE], not {mapping}")
    return get_args(mapping)[1]


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        # A union with one of these says that a node may also take or return it; they have no wire type.
        rest = [a for a in get_args(annotation) if a is not type(None) and getattr(a, "wire", True)]
        rest = [a for a in rest if getattr(a, "__name__", "") not in _NO_WIRE]
        if len(rest) == 1:
            return rest[0], type(None) in get_args(annotation)
    return annotation, False


def _read(annotation: Any, name: str) -> tuple[str, Marker, Shown]:
    """Wire type, marker and what is shown. Of several markers the outermost counts."""
    shown = _PLAINLY_SHOWN
    while get_origin(annotation) is list:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        shown = next((m for m in reversed(extras) if isinstance(m, Shown)), shown)
        marker = next((m for m in reversed(extras) if isinstance(m, Marker)), None)
        if marker is not None:
            return _wire_of(marker, annotation, name), marker, shown
    if isinstance(annotation, type) and annotation in _PLAIN:
        return *_PLAIN[annotation], shown
    wire = getattr(annotation, "wire", None)
    if not isinstance(wire, str):
        what = "it has no type" if annotation is None else f"{annotation!r} has no wire type"
        raise TypeError(f"parameter '{name}': {what}; annotate it with engine.inputs.Wire")
    return wire, Wire(wire), shown


def _wire_of(marker: Marker, annotation: Any, name: str) -> str:
    if isinstance(marker, Wire | Hidden | Edited):
        return marker.name
    if isinstance(marker, Choice | FileChoice):
        return "COMBO"
    if isinstance(marker, DynamicChoice):
        return CHOOSING
    if isinstance(marker, Growing | Matched):
        return GROWING if isinstance(marker, Growing) else MATCHED
    if annotation not in _PLAIN:
        known = ", ".join(kind.__name__ for kind in _PLAIN)
        raise TypeError(
            f"parameter '{name}': {type(marker).__name__}() describes one of {known}, not {annotation}; "
            "an input that may be left out is Annotated[...] | None"
        )
    wire = _PLAIN[annotation][0]
    return f"{wire},{marker.also}" if marker.also else wire
