"""What a network gets besides the noisy latent, and how several prompts' inputs are joined for one forward pass."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.values import Model

Joining = Literal["concatenate", "cut", "pad", "repeat", "same"]

MAX_STRETCH = 4
"""A prompt is repeated to share a pass up to this often; beyond, two passes are quicker."""


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """One thing that a network gets, and how those of several prompts become one batch.

    ``concatenate``: tensors [1 or batch, ...] along the batch; prompts whose shapes differ go in passes of their own.
    ``cut``: the same, of tensors [.., *grid of the latent], of which an area gets its part. ``pad``: tensors
    [1 or batch, tokens, ...] filled up with zeros behind; where any was, ``mask`` is bool[rows, tokens], True for a
    token, and the step finds it as ``<name>_mask``. ``repeat``: tensors [1 or batch, tokens, width] repeated to their
    least common multiple, which changes nothing in *cross* attention (and everything in joint attention). ``same``: any
    value; only prompts with an equal one share a pass (tensors: the same object).
    """

    value: Any
    joining: Joining = "concatenate"
    mask: Tensor | None = None


Inputs = Mapping[str, Input]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What all prompts of one sampling call share.

    ``latent``: the picture in the denoiser's scale, float32[batch, channels, *grid], on the device; ``mask``: the noise
    mask of the same shape, or None; ``noise``: what was drawn. ``others``, ``other_masks``: of further parts, where the
    latent has several. ``role``: of the prompt, such as ``positive``; ``input``
    of errors about it.
    """

    model: Model
    latent: Tensor
    mask: Tensor | None
    noise: Tensor
    role: str = "positive"
    others: tuple[Tensor, ...] = ()
    other_masks: tuple[Tensor, ...] = ()

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.model.space.size_px(self.latent)


def repeat_batch(tensor: Tensor, batch: int) -> Tensor:
    """``tensor`` cut or repeated along its first dimension to ``batch`` items."""
    if tensor.shape[0] < batch:
        tensor = tensor.repeat(-(-batch // tensor.shape[0]), *(1,) * (tensor.ndim - 1))
    return tensor[:batch]


def spread_batch(tensor: Tensor, batch: int) -> Tensor:
    """``tensor`` along its first dimension stretched or thinned to ``batch`` items, evenly."""
    have = tensor.shape[0]
    if have == batch or batch <= 1:
        return tensor[:batch]
    if batch < have:
        step = (have - 1) / (batch - 1)
        picks = [min(round(i * step), have - 1) for i in range(batch)]
    else:
        picks = [min(int((i + 0.5) * have / batch), have - 1) for i in range(batch)]
    return tensor[picks]


def can_share(a: Inputs, b: Inputs) -> bool:
    """Whether two prompts' inputs (already cut to their areas) can be joined."""
    return a.keys() == b.keys() and all(_fit(a[name], b[name]) for name in a)


def _fit(a: Input, b: Input) -> bool:
    if a.joining != b.joining:
        return False
    if a.joining == "same":
        return a.value is b.value or (not isinstance(a.value, Tensor) and bool(a.value == b.value))
    if a.joining in ("concatenate", "cut"):
        return bool(a.value.shape[1:] == b.value.shape[1:])
    if a.value.shape[2:] != b.value.shape[2:]:
        return False
    tokens = (a.value.shape[1], b.value.shape[1])
    return a.joining == "pad" or tokens[0] == tokens[1] or math.lcm(*tokens) // min(tokens) <= MAX_STRETCH


def join(prompts: Sequence[Inputs], batch: int | None = None) -> dict[str, Input]:
    """The inputs of prompts that :func:`can_share`, as one batch; each prompt's repeated to ``batch`` rows first."""
    return {name: _joined([prompt[name] for prompt in prompts], batch) for name in prompts[0]}


def values(inputs: Inputs) -> dict[str, Any]:
    """What the step gets: each value by its name, and masks of padded ones."""
    masks = {f"{name}_mask": given.mask for name, given in inputs.items() if given.mask is not None}
    return {name: given.value for name, given in inputs.items()} | masks


def form(inputs: Inputs) -> Hashable | None:
    """Equal for inputs that different jobs may share a pass with; None where that cannot be told."""
    parts: list[Hashable] = []
    for name, given in inputs.items():
        value = given.value
        if given.joining == "same" and not isinstance(value, Tensor):
            if not isinstance(value, Hashable):
                return None
            parts.append((name, value))
        elif given.joining == "same":
            parts.append((name, id(value)))
        else:
            first = 2 if given.joining == "pad" else 1
            parts.append((name, given.joining, value.shape[first:], value.dtype))
    return tuple(parts)


def _joined(given: Sequence[Input], batch: int | None) -> Input:
    joining = given[0].joining
    if joining == "same":
        return given[0]
    rows = [one.value if batch is None else repeat_batch(one.value, batch) for one in given]
    if joining == "pad":
        masks = [None if one.mask is None or batch is None else repeat_batch(one.mask, batch) for one in given]
        return _padded(rows, [one.mask if batch is None else mask for one, mask in zip(given, masks, strict=True)])
    if joining == "repeat":
        tokens = math.lcm(*(row.shape[1] for row in rows))
        rows = [row.repeat(1, tokens // row.shape[1], 1) for row in rows]
    return Input(torch.cat(rows), joining)


def _padded(rows: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Input:
    longest = max(row.shape[1] for row in rows)
    if all(row.shape[1] == longest for row in rows) and all(mask is None for mask in masks):
        return Input(torch.cat(list(rows)), "pad")
    whole, marked = [], []
    for row, mask in zip(rows, masks, strict=True):
        gap = longest - row.shape[1]
        known = torch.ones(row.shape[:2], dtype=torch.bool, device=row.device) if mask is None else mask
        whole.append(F.pad(row, (*(0, 0) * (row.ndim - 2), 0, gap)))
        marked.append(F.pad(known, (0, gap)))
    return Input(torch.cat(whole), "pad", torch.cat(marked))
