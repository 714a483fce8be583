"""A language model's layers as a text encoder: vectors of tokens in, hidden states of chosen layers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightView

HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a model tells positions apart: ``head_width`` features of each head turn, with wave lengths of ``theta``.

    ``axes``: how many pairs of features each position axis turns; empty for text alone, which has one.
    """

    head_width: int
    theta: float
    axes: tuple[int, ...] = ()

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines for ``positions``, [axes, tokens]: float32[1, tokens, head width] each."""
        pairs = torch.arange(0, self.head_width, 2, device=positions.device)
        angles = positions[..., None].double() * self.theta ** (-pairs.double() / self.head_width)
        if self.axes:
            turning = torch.repeat_interleave(torch.tensor(self.axes, device=positions.device))
            angles = angles[turning, :, torch.arange(len(turning), device=positions.device)].T
        else:
            angles = angles[0]
        both = torch.cat([angles, angles], dim=-1)[None]
        return both.cos().float(), both.sin().float()


class Decoder(nn.Module):
    """Embeddings and layers, under the names that files have.

    ``norm``: of the last layer's output, if there is one; ``scale``: what embeddings are multiplied by.
    """

    def __init__(
        self, vocabulary: int, width: int, layers: Sequence[nn.Module], norm: nn.Module | None, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.scale = scale
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(layers)
        self.norm = nn.Identity() if norm is None else norm


class LanguageModel(nn.Module):
    """``model``: the decoder; ``visual``: what sees pictures for it, where the file has that.

    ``tokenizer_bytes``: of the tokenizer that the file carries, 0 where it carries none. ``head``: whether the file has
    an output layer of its own, for models that write.
    """

    def __init__(
        self, model: Decoder, visual: nn.Module | None = None, tokenizer_bytes: int = 0, *, head: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        if head:
            vocabulary, width = model.embed_tokens.weight.shape
            self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if visual is not None:
            self.visual = visual
        if tokenizer_bytes:
            self.register_buffer("tokenizer", torch.empty(tokenizer_bytes, dtype=torch.uint8))


def with_head(view: WeightView) -> WeightView:
    """``view`` with its output layer, if it has one, under one name: some files have it below ``model.``."""
    below = f"model.{HEAD}"
    return view.renamed({HEAD if name == below else name: name for name in view}) if below in view else view


def with_tokenizer(view: WeightView, name: str) -> WeightView:
    """``view`` with the byte tensor ``name`` of its file as ``tokenizer``; whole checkpoints have it under a prefix.

    Raises ``ModelUnreadable`` where there is none.
    """
    file = view.file
    place = next((place for place in (name, f"text_encoders.{name}") if place in file.facts), None)
    if place is None:
        raise ModelUnreadable(
            f"the text encoder in '{file.path.name}' carries no tokenizer (a tensor '{name}')",
            remedy="take the version of this text encoder that is made for ComfyUI, which carries it",
        )
    return WeightView(file, {**{each: view.fact(each) for each in view}, "tokenizer": file.facts[place]})


def tokenizer_of(module: LanguageModel) -> bytes:
    """The tokenizer that came with a lent model, as it stands in the file."""
    return bytes(module.get_buffer("tokenizer").cpu().numpy())


def dimensions(view: WeightView, head_width: int) -> dict[str, int]:
    """What of a transformers configuration the shapes of a decoder's tensors tell."""
    vocabulary, width = view.shape("model.embed_tokens.weight")
    first = "model.layers.0."
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": view.shape(first + "mlp.gate_proj.weight")[0],
        "num_hidden_layers": view.count("model.layers"),
        "num_attention_heads": view.shape(first + "self_attn.q_proj.weight")[0] // head_width,
        "num_key_value_heads": view.shape(first + "self_attn.k_proj.weight")[0] // head_width,
    }


def language_weights(kind: str, view: WeightView, make: Callable[[], nn.Module]) -> Weights:
    """A handle to the language model in ``view``, which has the names of the module that ``make`` makes."""
    file = view.file
    return Weights(
        f"{kind}:{content_key(view)}",
        lambda: assemble(make, view),
        f"{file.path.name} text encoder",
        wide=True,
        heavy=view.heavy,
        patched_as_stored=True,
        release=file.release,
    )


def hidden_states(
    model: Decoder,
    vectors: Tensor,
    wanted: Sequence[int],
    rotation: Rotation,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    cache: Cache | None = None,
) -> list[Tensor]:
    """What enters the layers ``wanted`` (0 = the embeddings; as many as there are layers: what leaves the last one).

    ``vectors``: [batch, tokens, width]; ``positions``: [axes, tokens], 0, 1, 2 ... if not given; ``mask``: bool[batch,
    tokens], False for tokens that none attends to. Each token attends to itself and those before it. Layers after the
    last wanted one do not run. ``cache``: keys and values of the tokens before these, to which theirs are added: the
    first call has all tokens of the prompt, each further one a single token; ``mask`` is of all so far. The result is
    float32, like ``vectors`` in shape, without the final norm.
    """
    tokens = vectors.shape[1]
    if positions is None:
        positions = torch.arange(tokens, device=vectors.device)[None]
    hidden = vectors.to(model.embed_tokens.weight.dtype)
    cos, sin = (side.to(hidden) for side in rotation.at(positions))
    seen = None
    if mask is not None and not bool(mask.all()):
        before = mask.shape[1] - tokens
        past = torch.ones(tokens, mask.shape[1], dtype=torch.bool, device=hidden.device).tril(before)
        seen = past & mask[:, None, None]
        # Padding in front sees itself: nobody sees it, and it must not become no number at all.
        seen |= torch.eye(*past.shape, dtype=torch.bool, device=hidden.device) & ~seen.any(-1, keepdim=True)
    found: dict[int, Tensor] = {}
    for index, layer in enumerate(model.layers[: max(wanted)]):
        if index in wanted:
            found[index] = hidden
        hidden = layer(hidden, attention_mask=seen, position_embeddings=(cos, sin), cache=cache)
    found[min(len(model.layers), max(wanted))] = hidden
    return [found[layer].float() for layer in wanted]


def options(view: WeightView, head_width: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a transformers configuration: :func:`dimensions` and ``more``, computed by torch's attention."""
    return {**dimensions(view, head_width), "attn_implementation": "sdpa", **more}
