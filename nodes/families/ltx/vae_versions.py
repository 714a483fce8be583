"""How LTX's first video VAEs are built, whose files do not say so themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.diffusion.weights import WeightView

_FIRST_WIDTH = 512
_RESIDUAL = ["compress_all", {"residual": True, "multiplier": 2}]


def _conditioned(*layers: tuple[int, bool]) -> list[Any]:
    """Decoders since 0.9.1; ``layers``: how many of each depth, and whether they add noise."""
    blocks: list[Any] = []
    for count, noisy in layers:
        blocks += [_RESIDUAL, ["res_x", {"num_layers": count, "inject_noise": noisy}]]
    return blocks[1:]


_SHARED = {"patch_size": 4, "causal_decoder": False}
_PLAIN = [
    ["res_x", 4],
    ["compress_all", 1],
    ["res_x_y", 1],
    ["res_x", 3],
    ["compress_all", 1],
    ["res_x_y", 1],
    ["res_x", 3],
    ["compress_all", 1],
    ["res_x", 3],
    ["res_x", 4],
]
_V090: Mapping[str, Any] = _SHARED | {"blocks": _PLAIN}
_V091: Mapping[str, Any] = _SHARED | {
    "encoder_blocks": _PLAIN,
    "decoder_blocks": _conditioned((5, True), (6, True), (7, True), (8, False)),
    "timestep_conditioning": True,
}
_V095: Mapping[str, Any] = _SHARED | {
    "encoder_blocks": [
        ["res_x", {"num_layers": 4}],
        ["compress_space_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 6}],
        ["compress_time_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 6}],
        ["compress_all_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 2}],
        ["compress_all_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 2}],
    ],
    "decoder_blocks": _conditioned((5, False), (5, False), (5, False), (5, False)),
    "timestep_conditioning": True,
}


def version_of(view: WeightView) -> Mapping[str, Any]:
    """The description of the version that the tensors of ``view`` are of."""
    if view.shape("decoder.up_blocks.0.res_blocks.0.conv1.conv.weight")[0] <= _FIRST_WIDTH:
        return _V090
    return _V095 if "encoder.down_blocks.1.conv.conv.bias" in view else _V091
