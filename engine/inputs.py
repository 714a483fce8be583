"""How a node's signature says what an input may be: markers for ``typing.Annotated``, and the ones used everywhere.

``steps: Annotated[int, Int(min=1, max=10000)] = 20`` is the schema of that input: its default is the parameter's.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

MAX_SEED = 2**64 - 1
MAX_SIDE_PX = 16384
HIDDEN_NAMES = ("PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """What all typed-in inputs share. ``optional`` puts the input into ComfyUI's "optional" group.

    ``also``: wire types that may be linked to it besides its own, with commas between.
    """

    optional: bool = False
    lazy: bool = False
    force_input: bool = False
    also: str = ""
    tooltip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int(Widget):
    """A whole number, ``min`` <= value <= ``max``.

    ``control_after_generate``: UI files carry an extra value for it, which may be given (``fixed``).
    """

    min: int | None = None
    max: int | None = None
    step: int | None = None
    display: str | None = None
    control_after_generate: bool | str = False


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
    and its inputs by theirs (:mod:`engine.dynamic`).
    """

    options: Mapping[str, Mapping[str, Given]]
    optional: bool = False
    tooltip: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The options' names."""
        return tuple(self.options)


@dataclass(frozen=True, slots=True)
class Wire:
    """An input or output that is passed along a link and has this wire type; ``"*"`` takes anything.

    ``literal``: values may be typed in as well, whatever they are, such as those of a front end's extension.
    """

    name: str
    optional: bool = False
    lazy: bool = False
    tooltip: str = ""
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Matched:
    """Anything that is passed along a link; those of one ``group``, outputs too, have one type among ``allowed``.

    Wire type COMFY_MATCHTYPE_V3. ``allowed``: wire types with commas between, ``"*"`` for all.
    """

    group: str
    allowed: str = "*"
    optional: bool = False
    lazy: bool = False
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Growing:
    """Any number of inputs of one type, which the function gets as one mapping. Wire type COMFY_AUTOGROW_V3.

    ``images: Annotated[Grow[Image], Growing(max=50)]`` has the inputs ``images.image0``, ``images.image1`` ... of which
    the first ``min`` are needed. ``item``: what one of them is called, by default the parameter's name without its s;
    ``prefix``: what their numbers follow, by default the item; ``names``: names in place of numbers.
    """

    min: int = 1
    max: int = 100
    item: str = ""
    prefix: str = ""
    names: tuple[str, ...] = ()
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """A value of another kind than texts and numbers, for which user interfaces have an editor: COLOR, CURVE ...

    It is typed in as JSON, or comes along a link of this wire type.
    """

    name: str
    optional: bool = False
    force_input: bool = False
    tooltip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What only user interfaces need to know of an input; stands beside the marker that says what it may be.

    ``advanced``: among what is folded away. ``socketless``: nothing can be linked to it. ``hidden``: not shown at all.
    ``widget_type``: the widget that it gets, where its wire type does not tell. ``component``: what draws it.
    """

    display_name: str = ""
    advanced: bool = False
    socketless: bool = False
    hidden: bool = False
    widget_type: str = ""
    component: str = ""
    upload: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """An input that the engine fills: one of ``HIDDEN_NAMES``. Raises ``ValueError`` for any other name."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in HIDDEN_NAMES:
            raise ValueError(f"there is no hidden input '{self.name}'; there are: {', '.join(HIDDEN_NAMES)}")


Grow = Annotated[Mapping[str, Item], Growing()]
Anything = Annotated[Any, Wire("*")]
Pixels = Annotated[int, Int(min=16, max=MAX_SIDE_PX, step=8)]
Count = Annotated[int, Int(min=1, max=4096)]
Seed = Annotated[int, Int(min=0, max=MAX_SEED, control_after_generate=True)]
Prompt = Annotated[str, Text(multiline=True, dynamic_prompts=True)]
