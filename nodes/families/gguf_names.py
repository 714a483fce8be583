"""Names of tensors in GGUF files: llama.cpp's for language models and T5, by those that the models' authors gave them.

Denoisers, VAEs and CLIP encoders have their authors' names in GGUF files too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

T5_ARCHITECTURES = frozenset({"t5", "t5encoder"})
PERMUTED_ARCHITECTURES = frozenset({"llama", "mistral3"})
"""Whose queries and keys llama.cpp keeps with the two halves of each head's features interleaved."""

_BLOCK = re.compile(r"((?:enc\.)?)blk\.(\d+)\.(.+)\.(weight|bias)")
_LANGUAGE = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# Gemma has a norm before and one behind each part of a layer.
_GEMMA = {
    **_LANGUAGE,
    "ffn_norm": "pre_feedforward_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LANGUAGE_REST = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_T5 = {
    "attn_norm": "layer.0.layer_norm",
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}
_T5_REST = {"token_embd.weight": "shared.weight", "enc.output_norm.weight": "encoder.final_layer_norm.weight"}
_LANGUAGE_MARK, _T5_MARK = "blk.0.attn_q.weight", "enc.blk.0.attn_q.weight"


def published_names(architecture: str, names: Mapping[str, object]) -> dict[str, str]:
    """By the names in a GGUF file, those that its authors published: the same where the file is no language model."""
    if _T5_MARK in names:
        return {name: _published(name, "encoder.block", _T5, _T5_REST) for name in names}
    if _LANGUAGE_MARK in names:
        parts = _GEMMA if architecture.startswith("gemma") else _LANGUAGE
        return {name: _published(name, "model.layers", parts, _LANGUAGE_REST) for name in names}
    return {name: name for name in names}


def is_gemma_norm(architecture: str, published: str) -> bool:
    """Whether a tensor is one of Gemma's norms, which llama.cpp keeps with one added to them."""
    return architecture.startswith("gemma") and published.endswith("norm.weight")


def _published(name: str, blocks: str, parts: Mapping[str, str], rest: Mapping[str, str]) -> str:
    found = _BLOCK.fullmatch(name)
    if found is None or found[3] not in parts:
        return rest.get(name, name)
    return f"{blocks}.{found[2]}.{parts[found[3]]}.{found[4]}"
