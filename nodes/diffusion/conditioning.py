"""Arithmetic on encoded prompts: joining, averaging, zeroing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.values import Cond, Conditioning


def concat(to: Conditioning, source: Conditioning) -> Conditioning:
    """The first prompt of ``source`` after each prompt of ``to``, as more tokens."""
    tail = _first(source).context
    return to.map(lambda e: replace(e, context=torch.cat(_same_batch(e.context, _matching(tail, e.context)), dim=1)))


def average(to: Conditioning, source: Conditioning, strength: float) -> Conditioning:
    """Each prompt of ``to`` by ``strength`` and the first of ``source`` by the rest, cut or zero-padded to fit."""
    other = _first(source)

    def mix(entry: Cond) -> Cond:
        tokens = entry.context.shape[1]
        tail = _matching(other.context, entry.context)[:, :tokens]
        tail = torch.nn.functional.pad(tail, (0, 0, 0, tokens - tail.shape[1]))
        pooled = entry.pooled if entry.pooled is not None else other.pooled
        if entry.pooled is not None and other.pooled is not None:
            pooled = mean(entry.pooled, other.pooled)
        return replace(entry, context=mean(entry.context, tail), pooled=pooled)

    def mean(a: Tensor, b: Tensor) -> Tensor:
        return a * strength + b * (1.0 - strength)

    return to.map(mix)


def multiplied(conditioning: Conditioning, factor: float) -> Conditioning:
    """Every prompt's tokens and pooled vector times ``factor``."""
    return conditioning.map(
        lambda e: replace(e, context=e.context * factor, pooled=None if e.pooled is None else e.pooled * factor)
    )


_ZEROED = ("conditioning_lyrics", "conditioning_scale")


def zero_out(conditioning: Conditioning) -> Conditioning:
    """The same conditioning of no prompt at all: zeros instead of tokens, the pooled vector, lyrics and their scale."""
    return conditioning.map(
        lambda e: replace(
            e,
            context=torch.zeros_like(e.context),
            pooled=None if e.pooled is None else torch.zeros_like(e.pooled),
            extra={name: torch.zeros_like(v) if name in _ZEROED else v for name, v in e.extra.items()},
        )
    )


def _first(conditioning: Conditioning) -> Cond:
    if not conditioning.entries:
        raise InputInvalid("this conditioning holds no prompt", input="conditioning_from")
    return conditioning.entries[0]


def _matching(context: Tensor, like: Tensor) -> Tensor:
    if context.shape[-1] != like.shape[-1]:
        raise InputInvalid(
            f"prompts encoded {like.shape[-1]} and {context.shape[-1]} wide do not go together",
            input="conditioning_from",
            remedy="encode both with the CLIP of one checkpoint",
        )
    return context


def _same_batch(a: Tensor, b: Tensor) -> list[Tensor]:
    batch = max(a.shape[0], b.shape[0])
    return [t if t.shape[0] == batch else t.expand(batch, -1, -1) for t in (a, b)]
