"""Nodes that set several properties of prompts at once, singly and for positive and negative together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Wire
from engine.registry import node
from engine.types import Mask
from nodes.choices import Progress, Strength
from nodes.conditioning import MaskArea, masked
from nodes.values import Conditioning

SINGLE = "advanced/hooks/cond single"
PAIR = "advanced/hooks/cond pair"


@dataclass(frozen=True, slots=True)
class TimestepsRange:
    """TIMESTEPS_RANGE: part of a sampling, from ``start`` to ``end`` of it, 0 to 1."""

    wire: ClassVar[str] = "TIMESTEPS_RANGE"
    start: float
    end: float


Hooks = Annotated[Any, Wire("HOOKS", optional=True)]


class Ranges(NamedTuple):
    """A range, what comes before it and what after."""

    TIMESTEPS_RANGE: TimestepsRange
    BEFORE_RANGE: TimestepsRange
    AFTER_RANGE: TimestepsRange


class PromptPair(NamedTuple):
    """A positive and a negative conditioning."""

    positive: Conditioning
    negative: Conditioning


@node("ConditioningTimestepsRange", category="advanced/hooks", display_name="Timesteps Range", experimental=True)
def timesteps_range(ctx: Context, *, start_percent: Progress = 0.0, end_percent: Progress = 1.0) -> Ranges:
    """Part of the sampling, and the parts before and after it."""
    return Ranges(
        TimestepsRange(start_percent, end_percent),
        TimestepsRange(0.0, start_percent),
        TimestepsRange(end_percent, 1.0),
    )


@node("ConditioningSetProperties", category=SINGLE, display_name="Cond Set Props", experimental=True)
def set_properties(
    ctx: Context,
    *,
    cond_NEW: Conditioning,
    strength: Strength = 1.0,
    set_cond_area: MaskArea,
    mask: Mask | None = None,
    hooks: Hooks = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """The prompt for a mask (with its ``strength``) and a part of the sampling, where these are given."""
    return _with_properties(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)


@node("ConditioningSetPropertiesAndCombine", category=SINGLE, display_name="Cond Set Props Combine", experimental=True)
def set_properties_and_combine(
    ctx: Context,
    *,
    cond: Conditioning,
    cond_NEW: Conditioning,
    strength: Strength = 1.0,
    set_cond_area: MaskArea,
    mask: Mask | None = None,
    hooks: Hooks = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """``cond`` and ``cond_NEW``, the latter for a mask and a part of the sampling."""
    return _combined(cond, _with_properties(cond_NEW, strength, set_cond_area, mask, hooks, timesteps))


@node("ConditioningSetDefaultCombine", category=SINGLE, display_name="Cond Set Default Combine", experimental=True)
def set_default_and_combine(
    ctx: Context, *, cond: Conditioning, cond_DEFAULT: Conditioning, hooks: Hooks = None
) -> Conditioning:
    """``cond``, and ``cond_DEFAULT`` wherever the masks and areas of ``cond`` leave the picture uncovered."""
    return _combined(cond, _as_default(cond_DEFAULT, hooks))


@node("PairConditioningSetProperties", category=PAIR, display_name="Cond Pair Set Props", experimental=True)
def pair_set_properties(
    ctx: Context,
    *,
    positive_NEW: Conditioning,
    negative_NEW: Conditioning,
    strength: Strength = 1.0,
    set_cond_area: MaskArea,
    mask: Mask | None = None,
    hooks: Hooks = None,
    timesteps: TimestepsRange | None = None,
) -> PromptPair:
    """Both prompts for a mask and a part of the sampling, where these are given."""
    positive, negative = (
        _with_properties(new, strength, set_cond_area, mask, hooks, timesteps) for new in (positive_NEW, negative_NEW)
    )
    return PromptPair(positive, negative)


@node(
    "PairConditioningSetPropertiesAndCombine",
    category=PAIR,
    display_name="Cond Pair Set Props Combine",
    experimental=True,
)
def pair_set_properties_and_combine(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    positive_NEW: Conditioning,
    negative_NEW: Conditioning,
    strength: Strength = 1.0,
    set_cond_area: MaskArea,
    mask: Mask | None = None,
    hooks: Hooks = None,
    timesteps: TimestepsRange | None = None,
) -> PromptPair:
    """Both pairs, the new one for a mask and a part of the sampling."""
    new_positive, new_negative = (
        _with_properties(new, strength, set_cond_area, mask, hooks, timesteps) for new in (positive_NEW, negative_NEW)
    )
    return PromptPair(_combined(positive, new_positive), _combined(negative, new_negative))


@node("PairConditioningCombine", category=PAIR, display_name="Cond Pair Combine", experimental=True)
def pair_combine(
    ctx: Context,
    *,
    positive_A: Conditioning,
    negative_A: Conditioning,
    positive_B: Conditioning,
    negative_B: Conditioning,
) -> PromptPair:
    """Both pairs, each prompt evaluated by itself."""
    return PromptPair(_combined(positive_A, positive_B), _combined(negative_A, negative_B))


@node(
    "PairConditioningSetDefaultCombine", category=PAIR, display_name="Cond Pair Set Default Combine", experimental=True
)
def pair_set_default_and_combine(
    ctx: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    positive_DEFAULT: Conditioning,
    negative_DEFAULT: Conditioning,
    hooks: Hooks = None,
) -> PromptPair:
    """The pair, and the default pair wherever it leaves the picture uncovered."""
    return PromptPair(
        _combined(positive, _as_default(positive_DEFAULT, hooks)),
        _combined(negative, _as_default(negative_DEFAULT, hooks)),
    )


def _combined(first: Conditioning, second: Conditioning) -> Conditioning:
    return Conditioning(first.entries + second.entries)


def _as_default(conditioning: Conditioning, hooks: Any) -> Conditioning:
    _refuse(hooks)
    return conditioning.set(default=True)


def _with_properties(
    conditioning: Conditioning,
    strength: float,
    set_cond_area: str,
    mask: Mask | None,
    hooks: Any,
    timesteps: TimestepsRange | None,
) -> Conditioning:
    _refuse(hooks)
    if mask is not None:
        conditioning = masked(conditioning, mask, strength, set_cond_area)
    if timesteps is not None:
        conditioning = conditioning.set(start_percent=timesteps.start, end_percent=timesteps.end)
    return conditioning


def _refuse(hooks: Any) -> None:
    if hooks is not None:
        raise InputInvalid("hooks on prompts are not known here", input="hooks", remedy="leave the input unconnected")
