"""Maps a node over lists, as ComfyUI does: a call for each item of the longest list; shorter ones repeat their last.

Every input arrives as a sequence: of one value, unless the output that it is linked to made a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.errors import InputInvalid
from engine.schema import NodeSpec
from engine.types import Absent, Blocked

# For each output slot, the values that one call made.
Slots = tuple[Sequence[Any], ...]


def calls(spec: NodeSpec, inputs: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The arguments of each call. A class that takes lists is called once, with all of them.

    Raises ``InputInvalid`` for an empty list where values are mapped over.
    """
    if spec.input_is_list:
        yield {name: list(values) for name, values in inputs.items()}
        return
    count = 1
    for name, values in inputs.items():
        if not values:
            raise InputInvalid("an empty list came in", input=name, remedy="the node before it must make something")
        count = max(count, len(values))
    if count == 1:
        yield {name: values[0] for name, values in inputs.items()}
        return
    for item in range(count):
        yield {name: values[min(item, len(values) - 1)] for name, values in inputs.items()}


def blocked_by(spec: NodeSpec, arguments: Mapping[str, Any]) -> Blocked | None:
    """The first ``Blocked`` among a call's arguments: the node is not to run then."""
    for value in arguments.values():
        if type(value) is Blocked:
            return value
        if spec.input_is_list:
            for item in value:
                if type(item) is Blocked:
                    return item
    return None


def without_absent(spec: NodeSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments, where ``None`` stands for what is absent and may be left out.

    Raises ``InputInvalid`` for what is absent and cannot be done without.
    """
    given = dict(arguments)
    for name, value in arguments.items():
        known = spec.inputs.get(name)
        if known is not None and known.takes_absent:
            continue
        for item in value if spec.input_is_list and isinstance(value, list) else (value,):
            if type(item) is Absent:
                if known is None or known.required:
                    raise InputInvalid(item.message, input=name, remedy=item.remedy)
                given[name] = None
    return given


def slots_of(spec: NodeSpec, returned: Any) -> Slots:
    """What one call returned, by output slot. Raises ``TypeError`` where it does not fit the declared outputs."""
    outputs = spec.outputs
    if type(returned) is Blocked:
        return ((returned,),) * len(outputs)
    if not outputs:
        return ()
    if len(outputs) == 1 and not (isinstance(returned, tuple) and len(getattr(returned, "_fields", ())) == 1):
        returned = (returned,)
    if not isinstance(returned, tuple) or len(returned) != len(outputs):
        made = f"{len(returned)} values" if isinstance(returned, tuple) else type(returned).__name__
        raise TypeError(f"the node declares {len(outputs)} outputs, but returned {made}")
    return tuple(
        values_of(spec, slot, value) if output.is_list else (value,)
        for slot, (output, value) in enumerate(zip(outputs, returned, strict=True))
    )


def values_of(spec: NodeSpec, slot: int, value: Any) -> Sequence[Any]:
    """The values that ``value`` stands for in an output slot: one, or several where the slot is a list."""
    if not spec.outputs[slot].is_list or type(value) is Blocked:
        return (value,)
    if not isinstance(value, list | tuple):
        raise TypeError(f"output {slot} ({spec.outputs[slot].name}) is a list, but is a {type(value).__name__}")
    return value


def join(spec: NodeSpec, made: Sequence[Slots]) -> tuple[tuple[Any, ...], ...]:
    """The outputs of all calls, one after the other, in each slot."""
    if len(made) == 1:
        return tuple(tuple(values) for values in made[0])
    return tuple(tuple(value for slots in made for value in slots[slot]) for slot in range(len(spec.outputs)))
