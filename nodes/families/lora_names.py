"""How LoRA files name their tensors: a module's name, and an ending that says which part of its change this is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Endings of tensor names by what they are: kohya and LyCORIS, PEFT, and two generations of diffusers.
_ENDINGS: Mapping[str, str] = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B": "up",
    ".lora_A": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    # The shape to widen the weight to: one that is not the weight's own is found by the factors, which have it too.
    ".reshape_weight": "shape",
    ".alpha": "alpha",
    ".dora_scale": "scale",
    ".lora_magnitude_vector": "scale",
    ".lora_magnitude_vector.weight": "scale",
    ".lora_magnitude_vector.default.weight": "scale",
    ".hada_w1_a": "hada_w1_a",
    ".hada_w1_b": "hada_w1_b",
    ".hada_w2_a": "hada_w2_a",
    ".hada_w2_b": "hada_w2_b",
    ".hada_t1": "hada_t1",
    ".hada_t2": "hada_t2",
    ".lokr_w1": "w1",
    ".lokr_w1_a": "w1_a",
    ".lokr_w1_b": "w1_b",
    ".lokr_w2": "w2",
    ".lokr_w2_a": "w2_a",
    ".lokr_w2_b": "w2_b",
    ".lokr_t2": "t2",
    ".a1.weight": "a1",
    ".a2.weight": "a2",
    ".b1.weight": "b1",
    ".b2.weight": "b2",
    ".oft_blocks": "blocks",
    ".rescale": "rescale",
    ".diff": "diff",
    ".w_norm": "norm",
    ".diff_b": "bias_diff",
    ".b_norm": "bias_norm",
    ".set_weight": "set",
    ".lora_B.bias": "bias_diff",
}
# Files that control a transformer by a picture hold whole norms beside their low-rank changes.
_NORM, _SCALE = "_norm", ".scale"
_BY_LENGTH = sorted(_ENDINGS, key=len, reverse=True)

FEW = 5
"""Names in a sentence."""

OF_TEXT = ("lora_te", "lora_prior_te", "text_encoder", "text_encoders")
"""What names of text encoders' modules begin with."""


def split(name: str) -> tuple[str, str | None]:
    """The module and which part of its change the tensor is; None for a kind that is not known."""
    if name.endswith(_NORM + _SCALE):
        return name.removesuffix(_SCALE), "set"
    ending = next((ending for ending in _BY_LENGTH if name.endswith(ending)), None)
    return (name, None) if ending is None else (name.removesuffix(ending), _ENDINGS[ending])


def few(names: Iterable[str]) -> str:
    """The first of ``names``, and that there are more."""
    names = list(names)
    return ", ".join(names[:FEW]) + (" ..." if len(names) > FEW else "")
