"""From what a picture encoder saw to tokens of a prompt; names of parameters as in the published files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nodes.diffusion.weights import WeightView

HEAD_WIDTH = 64


class Summary(nn.Module):
    """The encoder's summary, [pictures, width], to a few tokens."""

    def __init__(self, seen: int, width: int, tokens: int) -> None:
        super().__init__()
        self.proj = nn.Linear(seen, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, summary: Tensor) -> Tensor:
        """[pictures, tokens, width]."""
        made: Tensor = self.norm(self.proj(summary).unflatten(-1, (-1, self.norm.normalized_shape[0])))
        return made


class Every(nn.Module):
    """Each of the encoder's tokens to one of a prompt ("full")."""

    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(seen, seen), nn.GELU(), nn.Linear(seen, width), nn.LayerNorm(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """[pictures, tokens, width of the prompt's]."""
        made: Tensor = self.proj(hidden)
        return made


class Resampler(nn.Module):
    """The encoder's tokens, asked by tokens that were learned ("plus"; Alayrac et al. 2022, 2204.14198)."""

    def __init__(self, seen: int, inner: int, width: int, *, tokens: int, layers: int, heads: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(1, tokens, inner))
        self.proj_in = nn.Linear(seen, inner)
        self.proj_out = nn.Linear(inner, width)
        self.norm_out = nn.LayerNorm(width)
        self.layers = nn.ModuleList(nn.ModuleList([_Asking(inner, heads), _feed_forward(inner)]) for _ in range(layers))

    def forward(self, hidden: Tensor) -> Tensor:
        """[pictures, learned tokens, width of the prompt's]."""
        seen, tokens = self.proj_in(hidden), self.latents.expand(len(hidden), -1, -1)
        layer: Any
        for layer in self.layers:
            tokens = layer[0](seen, tokens) + tokens
            tokens = layer[1](tokens) + tokens
        made: Tensor = self.norm_out(self.proj_out(tokens))
        return made


class _Asking(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_kv = nn.Linear(width, 2 * heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Linear(heads * HEAD_WIDTH, width, bias=False)

    def forward(self, seen: Tensor, tokens: Tensor) -> Tensor:
        tokens = self.norm2(tokens)
        both = torch.cat([self.norm1(seen), tokens], dim=1)
        parts = (self.to_q(tokens), *self.to_kv(both).chunk(2, dim=-1))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        made: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return made


def _feed_forward(width: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width, bias=False), nn.GELU(), nn.Linear(4 * width, width, bias=False)
    )


def projection(view: WeightView) -> nn.Module:
    """The module for the tensors of ``view``, which are a file's ``image_proj``; its own are random."""
    if "latents" in view:
        _, tokens, inner = view.shape("latents")
        heads = view.shape("layers.0.0.to_q.weight")[0] // HEAD_WIDTH
        seen, width = view.shape("proj_in.weight")[1], view.shape("proj_out.weight")[0]
        return Resampler(seen, inner, width, tokens=tokens, layers=view.count("layers"), heads=heads)
    if "proj.3.weight" in view:
        width, seen = view.shape("proj.2.weight")
        return Every(seen, width)
    (made, seen), width = view.shape("proj.weight"), view.shape("norm.weight")[0]
    return Summary(seen, width, made // width)


def reads_summary(module: nn.Module) -> bool:
    """Whether it takes the encoder's summary rather than its tokens."""
    return isinstance(module, Summary)
