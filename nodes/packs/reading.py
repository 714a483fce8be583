"""Reads a pack's classes into plain descriptions: those of the V1 kind (attributes), and V3's, whose schema is data."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nodes.packs.description import Files, PackClass, PackInput, PackOutput
from nodes.packs.file_lists import LISTED, FileList

_HIDDEN = ("PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID", "DYNPROMPT")
_ANY_NAME = "a name that no pack would list"
_IMAGE_UPLOADS = {"image_upload": "image", "video_upload": "video", "audio_upload": "audio"}


def read_class(name: str, node_class: Any, display_name: str = "") -> PackClass:
    """The description of a class of either kind. Raises what the class's own methods raise, and ``TypeError``."""
    if hasattr(node_class, "GET_SCHEMA"):
        return read_v3(node_class)
    return read_v1(name, node_class, display_name)


def read_v1(name: str, node_class: Any, display_name: str = "") -> PackClass:
    """A class with INPUT_TYPES, RETURN_TYPES and FUNCTION."""
    declared = node_class.INPUT_TYPES()
    function = getattr(node_class, "FUNCTION", None)
    if not isinstance(function, str) or not callable(getattr(node_class, function, None)):
        raise TypeError(f"FUNCTION names no method: {function!r}")
    optional = declared.get("optional", {})
    inputs = [
        read_input(key, value, required=group == "required")
        for group in ("required", "optional")
        for key, value in dict(declared.get(group) or {}).items()
    ]
    validate = getattr(node_class, "VALIDATE_INPUTS", None)
    return PackClass(
        name=name,
        api="V1",
        display_name=display_name,
        category=_text(getattr(node_class, "CATEGORY", "")) or "custom",
        description=_text(getattr(node_class, "DESCRIPTION", "")),
        inputs=inputs,
        hidden=_hidden(dict(declared.get("hidden") or {})),
        outputs=_v1_outputs(node_class),
        output_node=bool(getattr(node_class, "OUTPUT_NODE", False)),
        input_is_list=bool(getattr(node_class, "INPUT_IS_LIST", False)),
        takes_any=_takes_any(optional) or "*" in _named(getattr(node_class, function)),
        validates=None if validate is None else _named(validate),
        fingerprints=hasattr(node_class, "IS_CHANGED"),
        lazy=hasattr(node_class, "check_lazy_status"),
        deprecated=bool(getattr(node_class, "DEPRECATED", False)),
        experimental=bool(getattr(node_class, "EXPERIMENTAL", False)),
        search_aliases=[_text(alias) for alias in getattr(node_class, "SEARCH_ALIASES", ())],
    )


def read_v3(node_class: Any) -> PackClass:
    """A class whose ``define_schema`` says what it is; its schema is of :mod:`nodes.packs.host.api_schema`."""
    schema = node_class.GET_SCHEMA()
    inputs, grows = [], []
    for given in schema.inputs:
        if given.io_type == "COMFY_AUTOGROW_V3":
            grows.append(given.id)
        else:
            inputs.append(_v3_input(given))
    return PackClass(
        name=schema.node_id,
        api="V3",
        display_name=schema.display_name or "",
        category=schema.category or "custom",
        description=schema.description or "",
        inputs=inputs,
        hidden=_hidden({name: name for name in map(_text, schema.hidden)}),
        outputs=[
            PackOutput(name=out.display_name or out.id or out.io_type, type=out.io_type, is_list=out.is_output_list)
            for out in schema.outputs
        ],
        output_node=schema.is_output_node,
        input_is_list=schema.is_input_list,
        takes_any=bool(grows) or schema.accept_all_inputs,
        grows=grows,
        validates=_named(node_class.validate_inputs) if _is_own(node_class, "validate_inputs") else None,
        fingerprints=_is_own(node_class, "fingerprint_inputs"),
        lazy=_is_own(node_class, "check_lazy_status"),
        deprecated=schema.is_deprecated,
        experimental=schema.is_experimental,
        search_aliases=list(schema.search_aliases),
    )


def read_input(name: str, declared: Any, *, required: bool) -> PackInput:
    """``(type, options)`` as INPUT_TYPES has it. A list for a type is a choice."""
    kind, options = _pair(declared)
    upload = next((medium for key, medium in _IMAGE_UPLOADS.items() if options.get(key)), None)
    if isinstance(kind, str):
        kind = _text(kind)
        if kind != "COMBO":
            return PackInput(name=name, type=kind, required=required, options=_plain(options))
        kind = options.get("options", [])
    if not isinstance(kind, Iterable):
        raise TypeError(f"the type of '{name}' is {kind!r}")
    plain = {key: value for key, value in _plain(options).items() if key != "options"}
    made = PackInput(name=name, type="COMBO", required=required, options=plain)
    if isinstance(kind, FileList):
        made.files = Files(kind=kind.kind, before=kind.before, after=kind.after)
    elif upload is not None:
        made.files = Files(kind="input")
        made.options["upload"] = upload
    else:
        made.choices = [value for value in kind if isinstance(value, str | int | float | bool)]
        made.files = _of_input(made.choices)
    return made


def _of_input(choices: Sequence[Any]) -> Files | None:
    """Where the choices are the files of the input folder: what else stands before and behind them."""
    places = [number for number, value in enumerate(choices) if value in LISTED]
    if not places:
        return None
    return Files(kind="input", before=choices[: places[0]], after=choices[places[-1] + 1 :])


def _v3_input(given: Any) -> PackInput:
    if given.io_type == "COMFY_DYNAMICCOMBO_V3":
        fields = {option.key: [_v3_input(inner) for inner in option.inputs] for option in given.options}
        return PackInput(
            name=given.id, type="DYNAMIC", required=not given.optional, options=_plain(given.shown), fields=fields
        )
    kind = given.choices if given.io_type == "COMBO" else given.io_type
    return read_input(given.id, (kind, given.shown), required=not given.optional)


def _pair(declared: Any) -> tuple[Any, Mapping[str, Any]]:
    if isinstance(declared, str) or not isinstance(declared, tuple | list) or not declared:
        return declared, {}
    if isinstance(declared, list) and not (len(declared) == 2 and isinstance(declared[1], Mapping)):
        return declared, {}
    options = declared[1] if len(declared) > 1 and isinstance(declared[1], Mapping) else {}
    return declared[0], options


def _v1_outputs(node_class: Any) -> list[PackOutput]:
    types = getattr(node_class, "RETURN_TYPES", ()) or ()
    types = (types,) if isinstance(types, str) else tuple(types)
    names = getattr(node_class, "RETURN_NAMES", None) or ()
    names = (names,) if isinstance(names, str) else tuple(names)
    lists = tuple(getattr(node_class, "OUTPUT_IS_LIST", ()) or ())
    outputs = []
    for slot, kind in enumerate(types):
        wire = _text(kind) if isinstance(kind, str) else "COMBO"
        name = _text(names[slot]) if slot < len(names) else wire
        outputs.append(PackOutput(name=name, type=wire, is_list=slot < len(lists) and bool(lists[slot])))
    return outputs


def _takes_any(optional: Any) -> bool:
    """Whether the class says of any name that it is an input of its own."""
    try:
        return _ANY_NAME in optional
    except Exception:  # noqa: BLE001 - a mapping of the pack's own
        return False


def _named(function: Any) -> list[str]:
    """The inputs that a function names; a star where it takes them all."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["*"]
    return ["*" if p.kind is p.VAR_KEYWORD else p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def _is_own(node_class: Any, method: str) -> bool:
    own = getattr(node_class, method, None)
    return own is not None and not getattr(own, "inherited", False)


def _hidden(declared: Mapping[Any, Any]) -> dict[str, str]:
    """What the host fills in, by input. Of kinds that it does not know (ComfyUI's accounts), nothing is given."""
    kinds = {
        _text(name): _text(kind[0] if isinstance(kind, tuple) and kind else kind) for name, kind in declared.items()
    }
    return {name: kind.upper() for name, kind in kinds.items() if kind.upper() in _HIDDEN}


def _text(value: Any) -> str:
    """A plain string, also of packs' own kinds of strings that equal everything."""
    return str.__str__(value) if isinstance(value, str) else str(value)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options is data."""
    return {_text(key): value for key, value in options.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isnan(value)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    return value is None or isinstance(value, str | int | bool)
