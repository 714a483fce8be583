"""Reads a LoRA file's tensors into layers, one a module, whatever the trainer called its parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor

from engine.errors import ModelUnreadable
from nodes.diffusion.lora.layers import Difference, Hadamard, Kronecker, Layer, LowRank, Magnitude

# Endings of tensor names by what they are: kohya and LyCORIS, PEFT, and two generations of diffusers.
_ENDINGS: Mapping[str, str] = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".alpha": "alpha",
    ".dora_scale": "scale",
    ".lora_magnitude_vector": "scale",
    ".lora_magnitude_vector.weight": "scale",
    ".lora_magnitude_vector.default.weight": "scale",
    ".hada_w1_a": "w1_a",
    ".hada_w1_b": "w1_b",
    ".hada_w2_a": "w2_a",
    ".hada_w2_b": "w2_b",
    ".hada_t1": "t1",
    ".hada_t2": "t2",
    ".lokr_w1": "w1",
    ".lokr_w1_a": "w1_a",
    ".lokr_w1_b": "w1_b",
    ".lokr_w2": "w2",
    ".lokr_w2_a": "w2_a",
    ".lokr_w2_b": "w2_b",
    ".lokr_t2": "t2",
    ".diff": "diff",
    ".w_norm": "diff",
    ".diff_b": "bias",
    ".b_norm": "bias",
}
_BY_LENGTH = sorted(_ENDINGS, key=len, reverse=True)


def read_layers(tensors: Mapping[str, Tensor], file: str) -> dict[tuple[str, str], Layer]:
    """Layers by (module name as the file has it, ``weight`` or ``bias``).

    Raises ``ModelUnreadable`` where the file holds nothing that is a LoRA, or half of one.
    """
    parts: dict[tuple[str, bool], dict[str, Tensor]] = defaultdict(dict)
    for name in tensors:
        ending = next((e for e in _BY_LENGTH if name.endswith(e)), None)
        if ending is not None:
            # Both LyCORIS kinds call factors w1_a: their modules are told apart by the ending's own first word.
            parts[name.removesuffix(ending), ending.startswith(".hada")][_ENDINGS[ending]] = tensors[name]
    layers: dict[tuple[str, str], Layer] = {}
    shared = {module: found for (module, hadamard), found in parts.items() if not hadamard}
    for (module, hadamard), found in parts.items():
        both = {**shared.get(module, {}), **found} if hadamard else found
        if "bias" in both:
            layers[module, "bias"] = Difference(both["bias"])
        try:
            layer = _hadamard(both) if hadamard else _plain(both)
        except KeyError as missing:
            raise ModelUnreadable(f"LoRA '{file}': module '{module}' lacks its part {missing}") from missing
        if layer is not None:
            layers[module, "weight"] = Magnitude(layer, both["scale"]) if "scale" in both else layer
    if not layers:
        raise ModelUnreadable(f"'{file}' holds no LoRA", remedy="pick a LoRA, LoCon, LoHa, LoKr or DoRA file")
    return layers


def _alpha(found: Mapping[str, Tensor]) -> float | None:
    return float(found["alpha"]) if "alpha" in found else None


def _hadamard(found: Mapping[str, Tensor]) -> Layer:
    factors = (found["w1_a"], found["w1_b"], found["w2_a"], found["w2_b"])
    return Hadamard(*factors, t1=found.get("t1"), t2=found.get("t2"), alpha=_alpha(found))


def _plain(found: Mapping[str, Tensor]) -> Layer | None:
    if "up" in found or "down" in found:
        return LowRank(found["up"], found["down"], found.get("mid"), _alpha(found))
    if found.keys() & {"w1", "w1_a", "w2", "w2_a"}:
        for factor in ("w1", "w2"):
            if factor not in found:
                found[f"{factor}_a"], found[f"{factor}_b"]
        factors = {name: found.get(name) for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")}
        return Kronecker(**factors, alpha=_alpha(found))
    return Difference(found["diff"]) if "diff" in found else None
