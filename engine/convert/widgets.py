"""Widget values by name: UI files keep them by position, with values in between that mean nothing to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.convert.litegraph import Slot, UiNode
from engine.dynamic import all_nested_inputs, nested_inputs
from engine.inputs import Bool, Choice, DynamicChoice, FileChoice, Float, Int, Text
from engine.schema import NO_DEFAULT, InputSpec, NodeSpec

# What the extra widget after a seed can say; very old files have True or False there.
CONTROLS = frozenset(("fixed", "increment", "increment-wrap", "decrement", "randomize"))
_SEEDS = ("seed", "noise_seed")
_UI_ONLY = frozenset(
    ("control_after_generate", "control_filter_list", "upload", "choose file to upload", "audioUI", "videopreview")
)
_FITTING_TYPES: Mapping[str, tuple[type, ...]] = {"INT": (int, float), "FLOAT": (int, float), "BOOLEAN": (bool,)}
_UPLOAD_KINDS = ("image", "video", "audio")


@dataclass(frozen=True, slots=True)
class WidgetValues:
    """A node's widget values by input name, and what could not be named."""

    by_name: Mapping[str, Any]
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """One widget in a node's order: its name, whether a control value may follow it, and what values fit it."""

    name: str
    controlled: bool
    fits: Callable[[Any], bool]


def read_widgets(node: UiNode, spec: NodeSpec | None) -> WidgetValues:
    """Name the node's widget values: by the file where it says the names, else by the class's schema.

    A class with a schema gets exactly the widgets it has, defaults for those that the file lacks. A class without one
    keeps what could be named.
    """
    named = node.values if isinstance(node.values, Mapping) else _named_by_position(node, node.values, spec)
    if named is None:
        return WidgetValues({}, (f"{len(node.values)} widget values: their names are not in the file",))
    if spec is None:
        return WidgetValues({name: value for name, value in named.items() if not _is_ui_only(name)})
    return _for_schema(named, spec)


def as_input(value: Any) -> Any:
    """A widget's value as the API form has it: a list is wrapped, since a bare one would be a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _for_schema(named: Mapping[str, Any], spec: NodeSpec) -> WidgetValues:
    widgets = {name: widget for name, widget in spec.inputs.items() if widget.is_widget}
    by_name: dict[str, Any] = {}
    for name, widget in widgets.items():
        value = named.get(name)
        if value is None and widget.default is not NO_DEFAULT:
            value = widget.default
        if value is not None:
            by_name[name] = value
        for nested in all_nested_inputs(widget, {**named, **by_name}) if name in spec.dynamic_inputs else ():
            found = named.get(nested.name, None if nested.default is NO_DEFAULT else nested.default)
            if found is not None:
                by_name[nested.name] = found
    strange = {n: v for n, v in named.items() if n not in by_name and n not in spec.inputs and not _is_ui_only(n)}
    if spec.accepts_any_input:
        return WidgetValues({**by_name, **strange})
    return WidgetValues(
        by_name,
        tuple(
            f"'{name}' = {_short(value)}: the class has no such input"
            for name, value in strange.items()
            if value != "" and not _is_ui_value(value)
        ),
    )


def _named_by_position(node: UiNode, values: Sequence[Any], spec: NodeSpec | None) -> Mapping[str, Any] | None:
    """Names for positional values, from the first source that accounts for all of them; ``None`` without any."""
    if node.named and len(node.named) >= len(values):
        # The values are the truth where both are there: editors of JSON change those and forget the names.
        return {**node.named, **dict(zip(node.named, values, strict=False))}
    if not values:
        return {}
    pairs, left = _align([_place_of_slot(slot) for slot in node.inputs if slot.widget], values)
    if pairs and (not left or (spec is None and all(_is_ui_value(value) for value in left))):
        return dict(pairs)
    if spec is not None:
        return dict(_aligned_with_nested(list(_in_front_end_order(spec)), values))
    return {} if all(value == "" or _is_ui_value(value) for value in values) else None


def _aligned_with_nested(widgets: list[InputSpec], values: Sequence[Any]) -> list[tuple[str, Any]]:
    """Like :func:`_align`; after a choice's value come those of the inputs that the chosen option has."""
    at = 0
    pairs, _ = _align([_place_of_input(widget) for widget in widgets], values)
    while at < len(pairs):
        nested = list(nested_inputs(widgets[at], pairs[at][1]))
        if nested:
            widgets[at + 1 : at + 1] = nested
            pairs, _ = _align([_place_of_input(widget) for widget in widgets], values)
        at += 1
    return pairs


def _align(places: Sequence[_Place], values: Sequence[Any]) -> tuple[list[tuple[str, Any]], Sequence[Any]]:
    """Pair places with values in order, skipping control values; returns the pairs and the values that are left."""
    pairs: list[tuple[str, Any]] = []
    at = 0
    for index, place in enumerate(places):
        if at >= len(values):
            break
        pairs.append((place.name, values[at]))
        at += 1
        following = places[index + 1] if index + 1 < len(places) else None
        outnumber = len(values) - at > len(places) - index - 1
        if place.controlled and at < len(values) and _is_control(values[at], following, outnumber=outnumber):
            at += 1
    return pairs, values[at:]


def _is_control(value: Any, following: _Place | None, *, outnumber: bool) -> bool:
    if isinstance(value, bool):
        return following is None or not following.fits(value)
    if not isinstance(value, str) or value not in CONTROLS:
        return False
    return outnumber or following is None or not following.fits(value)


def _place_of_slot(slot: Slot) -> _Place:
    types = _FITTING_TYPES.get(slot.type)
    name = slot.widget or slot.name
    return _Place(name, slot.type not in ("STRING", "BOOLEAN"), lambda value: types is None or _is_of(value, types))


def _place_of_input(widget: InputSpec) -> _Place:
    marker = widget.marker
    controlled = isinstance(marker, Int) and (bool(marker.control_after_generate) or widget.name in _SEEDS)
    return _Place(widget.name, controlled, lambda value: _fits_marker(marker, value))


def _fits_marker(marker: Any, value: Any) -> bool:
    match marker:
        case Int() | Float():
            return _is_of(value, (int, float))
        case Bool():
            return isinstance(value, bool)
        case Choice(values=choices) | DynamicChoice(values=choices):
            return isinstance(value, str) and value in choices
        case FileChoice() | Text():
            return isinstance(value, str)
    return True


def _is_of(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _in_front_end_order(spec: NodeSpec) -> Iterable[InputSpec]:
    """The schema's widgets as the front end lays them out; an upload button stands after the required ones."""
    widgets = [widget for widget in spec.inputs.values() if widget.is_widget]
    required = [widget for widget in widgets if widget.required]
    button = [
        InputSpec("upload", "COMBO", Text(), required=False)
        for widget in widgets
        if isinstance(widget.marker, FileChoice) and widget.marker.upload
    ]
    return [*required, *button[:1], *(widget for widget in widgets if not widget.required)]


def _is_ui_only(name: str) -> bool:
    """Whether no node takes an input of this name; control widgets may go by the control's own name."""
    return name in _UI_ONLY or name in CONTROLS


def _is_ui_value(value: Any) -> bool:
    """Whether this is what buttons, previews and controls leave among the values."""
    return value is None or (isinstance(value, str) and (value in _UPLOAD_KINDS or value in CONTROLS))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
