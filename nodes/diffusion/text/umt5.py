"""UMT5 encoders (Chung et al. 2023, arXiv:2304.09151): T5's with a bias of places in each layer, tokens in the file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import UMT5Config
from transformers.models.umt5.modeling_umt5 import UMT5Stack

from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.language.decoder import tokenizer_of, with_tokenizer
from nodes.diffusion.language.sentence_pieces import TENSOR, sentence_pieces
from nodes.diffusion.text.chunks import Chunk, Vocabulary, filled, groups
from nodes.diffusion.text.lengths import Length
from nodes.diffusion.text.rows import embedded, fitting, padding_bias, up_to, up_to_end, weighted, widened
from nodes.diffusion.weights import WeightView
from nodes.values import Clip

PAD, END = 0, 1
KIND = "umt5"
EMBEDDING_PART = "umt5xxl"
_BIAS = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"


def load(view: WeightView, kind: str = KIND) -> Weights:
    """A handle to the encoder in ``view`` with its tokenizer. Equal contents have equal keys."""
    whole = with_tokenizer(view, TENSOR)
    names = {name.removeprefix("encoder."): name for name in whole if name.startswith(("encoder.block.", "encoder.fi"))}
    encoder = whole.renamed(names | {"embed_tokens.weight": "shared.weight", "tokenizer": "tokenizer"})
    return Weights(
        f"text_{kind}:{content_key(encoder)}",
        lambda: build_umt5(encoder),
        f"{view.file.path.name} text encoder UMT5",
        patched_as_stored=True,
        release=view.file.release,
    )


def build_umt5(view: WeightView) -> nn.Module:
    """The encoder around ``view``'s tensors, which have ``UMT5Stack``'s names; dimensions are those of their shapes."""
    vocabulary_size, width = view.shape("embed_tokens.weight")
    buckets, heads = view.shape(_BIAS)
    config = UMT5Config(
        vocab_size=vocabulary_size,
        d_model=width,
        d_kv=view.shape("block.0.layer.0.SelfAttention.q.weight")[0] // heads,
        d_ff=view.shape("block.0.layer.1.DenseReluDense.wi_0.weight")[0],
        num_layers=view.count("block"),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
        attn_implementation="eager",  # the order of operations that recorded films were made with
    )

    def make() -> nn.Module:
        stack: nn.Module = UMT5Stack(config)
        stack.register_buffer("tokenizer", torch.empty(view.shape("tokenizer")[0], dtype=torch.uint8))
        return stack

    return assemble(make, view)


def encode_prompt(
    models: ModelStore,
    clip: Clip,
    text: str,
    length: Length,
    embeddings: Sequence[Path] = (),
    *,
    zero_padding: bool = True,
) -> Tensor:
    """What the UMT5 among ``clip``'s encoders makes of a prompt, float32[1, tokens, width], on the CPU.

    ``length``: what the family pads to, unless the options of ``clip`` say otherwise; ``zero_padding``: rows of padding
    are zeros.
    """
    index = clip.kinds.index(KIND)
    with torch.no_grad(), models.lease(clip.weights[index], clip.patches_of(index)) as module:
        row = tokenize(module, text, length.given(clip.options), embeddings)
        return encode(module, row, clip.last_layer, zero_padding=zero_padding)


def tokenize(module: Any, prompt: str, length: Length, folders: Sequence[Path] = ()) -> Chunk:
    """The prompt as one row, however long, by the tokenizer that came with ``module``."""
    vocabulary = Vocabulary(PAD, EMBEDDING_PART, module.embed_tokens.weight.shape[1], folders=folders)
    pieces = sentence_pieces(tokenizer_of(module))
    return filled(chain.from_iterable(groups(prompt, vocabulary, pieces.token_ids)), length, END, PAD)


def encode(module: Any, row: Chunk, layer: int | None = None, *, zero_padding: bool = True) -> Tensor:
    """A hidden layer with the last norm, float32[1, tokens, width], on the CPU; no token attends to padding.

    ``module``: a ``UMT5Stack`` in any number format and on any device; it is computed in float32. A token of weight w
    goes w times as far from what the empty prompt has in its place. ``layer``: counted from the end, -1 and None are
    the last; so is one that is not there.
    """
    table = module.embed_tokens.weight
    tokens = fitting(row.tokens, table.shape[1], PAD)
    rows: list[list[int | Tensor]] = [tokens]
    weights = torch.tensor([row.weights])
    if is_weighted := bool((weights != 1).any()):
        rows.append([END, *[PAD] * (len(tokens) - 1)])
    hidden = torch.stack([embedded(table, each) for each in rows])
    unseen = padding_bias(rows, END).to(hidden.device)
    for block in up_to(module.block, layer):
        hidden = widened(block, hidden, attention_mask=unseen)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    hidden = widened(module.final_layer_norm, hidden)
    if zero_padding:
        hidden = hidden * torch.tensor([up_to_end(each, END) for each in rows], device=hidden.device)[..., None]
    if is_weighted:
        hidden = weighted(hidden[:1], hidden[1:], weights)
    return hidden.cpu()
