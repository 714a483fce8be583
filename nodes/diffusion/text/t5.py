"""T5 encoders (Raffel et al. 2019, arXiv:1910.10683; v1.1's gated form): built around a file's tensors, and run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Stack

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.text.chunks import Chunk, Vocabulary, filled, groups
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.rows import embedded, fitting, padding_bias, up_to, up_to_end, weighted, widened
from nodes.diffusion.text.t5_tokenizer import END, PAD, t5_token_ids
from nodes.diffusion.weights import WeightView
from nodes.values import Clip

_TABLE = "shared.weight"
_BIAS = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"


def load(view: WeightView, kind: str = "t5xxl") -> Weights:
    """A handle to the T5 encoder in ``view``, for the model store. Equal contents have equal keys."""
    names = {name.removeprefix("encoder."): name for name in view if name.startswith(("encoder.block.", "encoder.fi"))}
    table = _TABLE if _TABLE in view else "encoder.embed_tokens.weight"
    if table not in view:
        raise ModelUnreadable(
            f"'{view.file.path.name}' holds a T5 encoder without its table of tokens", remedy="take a complete file"
        )
    encoder = view.renamed(names | {"embed_tokens.weight": table})
    file = view.file
    return Weights(
        f"text_{kind}:{content_key(encoder)}",
        lambda: build_t5(encoder),
        f"{file.path.name} text encoder T5",
        patched_as_stored=True,
        release=file.release,
    )


def build_t5(view: WeightView) -> T5Stack:
    """The encoder around ``view``'s tensors, which have ``T5Stack``'s names; dimensions are read from their shapes."""
    vocabulary_size, width = view.shape("embed_tokens.weight")
    inner = view.shape("block.0.layer.0.SelfAttention.q.weight")[0]
    buckets, heads = view.shape(_BIAS)
    config = T5Config(
        vocab_size=vocabulary_size,
        d_model=width,
        d_kv=inner // heads,
        d_ff=view.shape("block.0.layer.1.DenseReluDense.wi_0.weight")[0],
        num_layers=view.count("block"),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
        attn_implementation="eager",  # the order of operations that recorded pictures were made with
    )
    return assemble(lambda: T5Stack(config), view)


def encode_prompt(
    models: ModelStore, clip: Clip, text: str | None, length: Length, embeddings: Sequence[Path] = ()
) -> Tensor:
    """What the T5 among ``clip``'s encoders makes of a prompt, float32[1, tokens, width], on the CPU.

    ``text``: None is no tokens at all but the end. ``length``: what the family pads to, unless the options of ``clip``
    say otherwise.
    """
    length = length.given(clip.options)
    row = Chunk((END,), (1.0,)) if text is None else _row(models, clip, text, length, embeddings)
    index = clip.kinds.index("t5xxl")
    with models.lease(clip.weights[index], clip.patches_of(index)) as module:
        return encode_t5(module, row, length, clip.last_layer)


def encode_known(
    models: ModelStore, clip: Clip, text: str, length: Length, embeddings: Sequence[Path] = ()
) -> tuple[Tensor, Tensor]:
    """As :func:`encode_prompt`, where no token attends to padding, and a mask of what is none: int64[1, tokens]."""
    length = length.given(clip.options)
    row = _row(models, clip, text, length, embeddings)
    index = clip.kinds.index("t5xxl")
    with models.lease(clip.weights[index], clip.patches_of(index)) as module:
        hidden = encode_t5(module, row, length, clip.last_layer, sees_padding=False)
    return hidden, torch.tensor([up_to_end(row.tokens, END)]).long()


def _row(models: ModelStore, clip: Clip, text: str, length: Length, embeddings: Sequence[Path]) -> Chunk:
    width = models.shapes(clip.weights[clip.kinds.index("t5xxl")])["embed_tokens.weight"][1]
    return tokenize_t5(text, length, width, embeddings)


def tokenize_t5(prompt: str, length: Length, width: int, folders: Sequence[Path] = ()) -> Chunk:
    """The prompt as one row, however long; ``folders``: where embeddings are, ``width`` that of their vectors."""
    vocabulary = Vocabulary(PAD, "t5xxl", width, folders=folders)
    return filled(chain.from_iterable(groups(prompt, vocabulary, t5_token_ids)), length, END, PAD)


def encode_t5(
    module: Any, row: Chunk, length: Length, layer: int | None = None, *, sees_padding: bool = True
) -> Tensor:
    """A hidden layer with the last norm, float32[1, tokens, width], on the CPU.

    ``module``: a ``T5Stack`` in any number format and on any device; it is computed in float32. A token of weight w
    goes w times as far from what the empty prompt has in its place. ``layer``: counted from the end, -1 and None are
    the last; so is one that is not there. ``sees_padding``: padding is attended to as text is.
    """
    table = module.embed_tokens.weight
    tokens = fitting(row.tokens, table.shape[1], PAD)
    rows: list[list[int | Tensor]] = [tokens]
    weights = torch.tensor([row.weights])
    if is_weighted := bool((weights != 1).any()):
        rows.append([END if length.empty_end else PAD, *[PAD] * (len(tokens) - 1)])
    with torch.no_grad():
        hidden = torch.stack([embedded(table, each) for each in rows])
        bias, unseen = None, None if sees_padding else padding_bias(rows, END).to(hidden.device)
        for block in up_to(module.block, layer):
            hidden, bias, *_ = widened(block, hidden, attention_mask=unseen, position_bias=bias)
        hidden = widened(module.final_layer_norm, hidden)
    if is_weighted:
        hidden = weighted(hidden[:1], hidden[1:], weights)
    return hidden.cpu()
