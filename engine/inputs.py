"""How a node's signature says what an input may be: markers for ``typing.Annotated``, and the ones used everywhere.

``steps: Annotated[int, Int(min=1, max=10000)] = 20`` is the schema of that input: its default is the parameter's.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

MAX_SEED = 2**64 - 1
MAX_SIDE_PX = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """What all typed-in inputs share. ``optional`` puts the input into ComfyUI's "optional" group."""

    optional: bool = False
    lazy: bool = False
    force_input: bool = False
    tooltip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int(Widget):
    """A whole number, ``min`` <= value <= ``max``. ``control_after_generate``: UI files carry an extra value for it."""

    min: int | None = None
    max: int | None = None
    step: int | None = None
    display: str | None = None
    control_after_generate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Float(Widget):
    """A number, ``min`` <= value <= ``max``. ``step`` and ``round`` are hints for user interfaces."""

    min: float | None = None
    max: float | None = None
    step: float | None = None
    round: float | bool | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Widget):
    """A string. ``dynamic_prompts``: front ends may expand ``{a|b}`` before they submit."""

    multiline: bool = False
    dynamic_prompts: bool = False
    placeholder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bool(Widget):
    """True or False, with the labels that user interfaces show."""

    label_on: str = ""
    label_off: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``values``, in order; the first is the default unless the parameter has one. Wire type COMBO."""

    values: tuple[str, ...]
    optional: bool = False
    tooltip: str = ""
    lazy: bool = False

    def __init__(self, *values: str, optional: bool = False, tooltip: str = "", lazy: bool = False) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "optional", optional)
        object.__setattr__(self, "tooltip", tooltip)
        object.__setattr__(self, "lazy", lazy)


@dataclass(frozen=True, slots=True)
class FileChoice:
    """One of the files in a folder: a model folder kind (``checkpoints``) or ``input``/``output``.

    ``before`` and ``after`` are choices that are no files (``"None"``, ``"pixel_space"``) and stand before or after the
    files. ``upload`` names the upload kind that user interfaces offer (``image``, ``video``, ``audio``). A node whose
    input is a FileChoice depends on that file's contents: its fingerprint becomes part of the cache key by itself.
    ``network``: the file holds a large network, so that outputs over the same one are made next to each other.
    """

    kind: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    upload: str | None = None
    optional: bool = False
    tooltip: str = ""
    allow_data_url: bool = False
    network: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """An input of an option: its type, as a parameter would be annotated, and its default; without one it is needed."""

    annotation: Any
    default: Any = inspect.Parameter.empty


@dataclass(frozen=True, slots=True, eq=False)
class DynamicChoice:
    """One of ``options``, each with inputs of its own, by name. Wire type COMFY_DYNAMICCOMBO_V3.

    In workflows their names are ``choice.input``; the function gets a mapping: the option under the choice's own name,
    and its inputs by theirs (:mod:`engine.dynamic`). ``hidden``: user interfaces do not show it.
    """

    options: Mapping[str, Mapping[str, Given]]
    optional: bool = False
    tooltip: str = ""
    display_name: str = ""
    hidden: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """The options' names."""
        return tuple(self.options)


@dataclass(frozen=True, slots=True)
class Wire:
    """An input or output that is passed along a link and has this wire type; ``"*"`` takes anything."""

    name: str
    optional: bool = False
    lazy: bool = False
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """An input that the engine fills: ``PROMPT``, ``EXTRA_PNGINFO`` or ``UNIQUE_ID``."""

    name: str


Anything = Annotated[Any, Wire("*")]
Pixels = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=8)]
Count = Annotated[int, Int(min=1, max=4096)]
Seed = Annotated[int, Int(min=0, max=MAX_SEED, control_after_generate=True)]
Prompt = Annotated[str, Text(multiline=True, dynamic_prompts=True)]
