"""What a network gets beside the noisy latent, and how several prompts' are joined for one forward pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    [1 or batch, tokens, ...] filled up with zeros behind; the step finds a mask bool[rows, tokens] (True = a token) in
    ``<name>_mask`` where any was. ``repeat``: tensors [1 or batch, tokens, width] repeated to their least common
    multiple, which changes nothing in *cross* attention (and everything in joint attention). ``same``: any value; only
    prompts with an equal one share a pass (tensors: the same object).
    """

    value: Any
    joining: Joining = "concatenate"


Inputs = Mapping[str, Input]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What all prompts of one sampling call share.

    ``latent``: the picture in the denoiser's scale, float32[batch, channels, *grid], on the device; ``mask``: the noise
    mask of the same shape, or None; ``noise``: what was drawn. ``role``: of the prompt, such as ``positive``.
    """

    model: Model
    latent: Tensor
    mask: Tensor | None
    noise: Tensor
    role: str = "positive"

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.model.space.size_px(self.latent)


def repeat_batch(tensor: Tensor, batch: int) -> Tensor:
    """``tensor`` cut or repeated along its first dimension to ``batch`` items."""
    if tensor.shape[0] < batch:
        tensor = tensor.repeat(-(-batch // tensor.shape[0]), *(1,) * (tensor.ndim - 1))
    return tensor[:batch]


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


def join(prompts: Sequence[Inputs], batch: int) -> dict[str, Any]:
    """The inputs of prompts that :func:`can_share`, each repeated to ``batch`` rows, as one batch by name."""
    joined: dict[str, Any] = {}
    for name, first in prompts[0].items():
        values = [prompt[name].value for prompt in prompts]
        if first.joining == "same":
            joined[name] = first.value
            continue
        rows = [repeat_batch(value, batch) for value in values]
        if first.joining == "pad":
            joined |= _padded(name, rows)
        elif first.joining == "repeat":
            tokens = math.lcm(*(row.shape[1] for row in rows))
            joined[name] = torch.cat([row.repeat(1, tokens // row.shape[1], 1) for row in rows])
        else:
            joined[name] = torch.cat(rows)
    return joined


def _padded(name: str, rows: Sequence[Tensor]) -> dict[str, Tensor]:
    longest = max(row.shape[1] for row in rows)
    missing = [longest - row.shape[1] for row in rows]
    if not any(missing):
        return {name: torch.cat(list(rows))}
    sides = (0, 0) * (rows[0].ndim - 2)
    whole = [F.pad(row, (*sides, 0, gap)) for row, gap in zip(rows, missing, strict=True)]
    counts = torch.cat([torch.full((row.shape[0],), row.shape[1], device=row.device) for row in rows])
    mask = torch.arange(longest, device=rows[0].device)[None] < counts[:, None]
    return {name: torch.cat(whole), f"{name}_mask": mask}
