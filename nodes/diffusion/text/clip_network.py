"""CLIP's text encoder (Radford et al. 2021, arXiv:2103.00020) as a module of plain torch, under transformers' names.

transformers' own takes 2 s to import, half of a small picture's time from the start of a process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5  # of its layer norms


def quick_gelu(hidden: Tensor) -> Tensor:
    """The approximation that OpenAI's encoders were trained with."""
    return hidden * torch.sigmoid(1.702 * hidden)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


@dataclass(frozen=True, slots=True)
class ClipShape:
    """The dimensions of an encoder; ``activation`` is a key of ``ACTIVATIONS``."""

    vocabulary: int
    positions: int
    width: int
    mlp_width: int
    layers: int
    heads: int
    projection: int
    activation: str


class ClipText(nn.Module):
    """The encoder's parameters, and layers that are callables; who encodes runs them one by one."""

    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.shape = shape
        self.text_model = _Body(shape)
        self.text_projection: nn.Module = nn.Linear(shape.width, shape.projection, bias=False)


class _Body(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.embeddings = _Embeddings(shape)
        self.encoder = _Encoder(shape)
        self.final_layer_norm = nn.LayerNorm(shape.width, eps=EPSILON)


class _Embeddings(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        # Not `nn.Embedding(count, width)`: what it fills its table with would import torch's compiler, 0.8 s.
        self.token_embedding = nn.Embedding.from_pretrained(torch.empty(shape.vocabulary, shape.width))  # type: ignore[no-untyped-call]
        self.position_embedding = nn.Embedding.from_pretrained(torch.empty(shape.positions, shape.width))  # type: ignore[no-untyped-call]


class _Encoder(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ClipLayer(shape) for _ in range(shape.layers))


class ClipLayer(nn.Module):
    """Attention among a row's tokens, then a feed-forward network, each on what is normed and added to what came in."""

    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.self_attn = _Attention(shape)
        self.layer_norm1 = nn.LayerNorm(shape.width, eps=EPSILON)
        self.mlp = _FeedForward(shape)
        self.layer_norm2 = nn.LayerNorm(shape.width, eps=EPSILON)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """``hidden``: float[rows, tokens, width]; ``attention_mask``: [1, 1, tokens, tokens], added to the scores."""
        hidden = hidden + self.self_attn(self.layer_norm1(hidden), attention_mask)
        made: Tensor = hidden + self.mlp(self.layer_norm2(hidden))
        return made


class _Attention(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(shape.width, shape.width) for _ in range(4))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        rows, tokens, width = hidden.shape
        q, k, v = (
            project(hidden).view(rows, tokens, self.heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        # Plain products, in the order of operations that recorded pictures were made with.
        scores = torch.matmul(q, k.transpose(-1, -2)) * (width // self.heads) ** -0.5 + mask
        mixed = torch.matmul(scores.softmax(dim=-1, dtype=torch.float32).to(q.dtype), v)
        made: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(rows, tokens, width))
        return made


class _FeedForward(nn.Module):
    def __init__(self, shape: ClipShape) -> None:
        super().__init__()
        self.activation: Callable[[Tensor], Tensor] = ACTIVATIONS[shape.activation]
        self.fc1 = nn.Linear(shape.width, shape.mlp_width)
        self.fc2 = nn.Linear(shape.mlp_width, shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        made: Tensor = self.fc2(self.activation(self.fc1(hidden)))
        return made
