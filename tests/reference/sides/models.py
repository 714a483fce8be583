"""Writes what the workflows of this folder load beside the tiny models: ControlNets, adapters, LoRAs, a checkpoint.

Weights are float16, from one NumPy PCG64 stream a file in the order of their names, so every machine gets the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, T2IAdapter, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodes.diffusion.ldm_names import ldm_names

CHECKPOINT = "tiny_sd15.safetensors"
Shapes = dict[str, tuple[int, ...]]

_ENCODER: dict[str, Any] = {
    "block_out_channels": (32, 64, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
    "conditioning_embedding_out_channels": (16, 32, 96, 256),
}
_UNION = {"addition_time_embed_dim": 256, "num_trans_channel": 32, "num_proj_channel": 32, "num_control_type": 8}
_FULL = {
    "block_out_channels": (32, 64, 128, 128),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
}
_LINEAR = re.compile(r"(attn[12]\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2))$")
_CONVOLUTION = re.compile(r"(in_layers\.2|out_layers\.3|\.op|proj_in)$")


def write(folder: Path, models_dir: Path) -> None:
    """All files, under ``folder``/controlnet, loras and checkpoints; ``models_dir`` holds the tiny models."""
    for kind in ("controlnet", "loras", "checkpoints"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    nets = folder / "controlnet"
    _save(nets / "side_plain.safetensors", _shapes(lambda: ControlNetModel(**_ENCODER)), 1)
    _save(nets / "side_shuffle.safetensors", _shapes(lambda: ControlNetModel(**_ENCODER)), 2)
    _save(nets / "side_union.safetensors", _shapes(lambda: ControlNetUnionModel(**_ENCODER, **_UNION)), 3)
    widths = [32, 64, 128, 128]
    _save(nets / "side_adapter.safetensors", _shapes(lambda: T2IAdapter(3, widths, 2, 8)), 4)
    light = _shapes(lambda: T2IAdapter(3, widths[:3], 4, 8, "light_adapter"))
    _save(nets / "side_light.safetensors", {_light_name(name): shape for name, shape in light.items()}, 5)
    _write_difference(models_dir / "controlnet" / "tiny_controlnet.safetensors", nets / "side_difference.safetensors")
    _write_full(models_dir / "checkpoints" / CHECKPOINT, folder / "checkpoints" / "side_full.safetensors")
    with safe_open(models_dir / "checkpoints" / CHECKPOINT, "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    _save(folder / "checkpoints" / "side_second.safetensors", shapes, 8)
    unet, text = _lora_targets(models_dir / "checkpoints" / CHECKPOINT)
    for seed, (name, make) in enumerate(LORAS.items(), start=10):
        _save(folder / "loras" / f"side_{name}.safetensors", make(unet, text), seed)


def _shapes(make: Callable[[], nn.Module]) -> Shapes:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}


def _save(path: Path, shapes: Mapping[str, tuple[int, ...]], seed: int, gain: float = 1.0) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    save_file({name: _drawn(random, name, shapes[name], gain) for name in sorted(shapes)}, path)


def _drawn(random: np.random.Generator, name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    x = random.standard_normal(shape)
    if name.endswith(".alpha"):
        x = np.array(2.0)
    elif name.endswith((".w_norm", ".b_norm", ".diff_b")):
        x = 0.05 * x
    elif name.endswith((".dora_scale", ".rescale")):
        x = 1 + 0.2 * x
    elif name.endswith(".oft_blocks"):
        x = 0.5 * x / math.sqrt(shape[-1])
    elif len(shape) == 1:
        x = 1 + 0.1 * x if name.endswith("weight") else 0.05 * x
    elif name.endswith("task_embedding"):
        x = 0.4 * x
    elif re.search(r"hada_|lokr_", name):
        x = 0.7 * x / math.sqrt(shape[-1])
    elif re.search(r"lora_|_lora\.|\.diff$", name):
        x = 0.4 * x / math.sqrt(math.prod(shape[1:]))
    else:
        x = x * gain / math.sqrt(math.prod(shape[1:]))
    return torch.from_numpy(np.asarray(x).astype(np.float16))


def _light_name(name: str) -> str:
    """As the authors of light adapters call what diffusers calls ``name``."""
    return re.sub(r"\.(\d+)\.resnets\.", r".\1.body.", name.removeprefix("adapter."), count=1)


def _write_difference(source: Path, path: Path) -> None:
    tensors = {name: tensor * 0.3 for name, tensor in load_file(source).items()}
    save_file(tensors | {"difference": torch.zeros(1)}, path)


def _write_full(source: Path, path: Path) -> None:
    """A UNet of SD1.5's own layout, two residual blocks a level, with the tiny model's text encoder and VAE."""
    shapes = _shapes(lambda: UNet2DConditionModel(**_FULL))
    modules = ldm_names({name.rpartition(".")[0] for name in shapes})
    named = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        named[f"model.diffusion_model.{modules[module]}.{kind}"] = shape
    _save(path, named, 9)
    others = {k: v for k, v in load_file(source).items() if not k.startswith("model.diffusion_model.")}
    save_file(load_file(path) | others, path)


def _lora_targets(checkpoint: Path) -> tuple[Shapes, Shapes]:
    """Shapes of the UNet's and the text encoder's layers, by kohya's name, convolutions and linear ones."""
    unet, text = {}, {}
    with safe_open(checkpoint, "pt") as file:
        for name in sorted(file.keys()):
            shape = tuple(file.get_slice(name).get_shape())
            module = name.removesuffix(".weight")
            if name.startswith("model.diffusion_model.") and name.endswith(".weight"):
                layer = module.removeprefix("model.diffusion_model.")
                if _LINEAR.search(layer) or _CONVOLUTION.search(layer) or len(shape) == 1:
                    unet["lora_unet_" + layer.replace(".", "_")] = shape
            elif re.search(r"(q_proj|k_proj|v_proj|out_proj|fc1|fc2)\.weight$", name):
                text["lora_te_" + module[module.index("text_model") :].replace(".", "_")] = shape
    return unet, text


def _layers(shapes: Shapes) -> Shapes:
    return {name: shape for name, shape in shapes.items() if len(shape) > 1}


def _low_rank(name: str, shape: tuple[int, ...], rank: int = 4) -> Shapes:
    out, into, *kernel = shape
    ones = [1] * len(kernel)
    return {
        f"{name}.lora_down.weight": (rank, into, *kernel),
        f"{name}.lora_up.weight": (out, rank, *ones),
        f"{name}.alpha": (),
    }


def _locon(unet: Shapes, text: Shapes) -> Shapes:
    return {key: shape for n, s in (_layers(unet) | text).items() for key, shape in _low_rank(n, s).items()}


def _tucker(unet: Shapes, text: Shapes) -> Shapes:
    found: Shapes = {}
    for name, (out, into, *kernel) in _layers(unet).items():
        if kernel[:1] == [3]:
            found |= {f"{name}.lora_down.weight": (4, into, 1, 1), f"{name}.lora_up.weight": (out, 4, 1, 1)}
            found |= {f"{name}.lora_mid.weight": (4, 4, 3, 3)}
    return found


def _loha(unet: Shapes, text: Shapes) -> Shapes:
    found: Shapes = {}
    for name, (out, into, *kernel) in _layers(unet).items():
        for factor in ("1", "2"):
            if kernel[:1] == [3]:
                found |= {f"{name}.hada_t{factor}": (4, 4, 3, 3), f"{name}.hada_w{factor}_a": (4, out)}
                found |= {f"{name}.hada_w{factor}_b": (4, into)}
            else:
                found |= {f"{name}.hada_w{factor}_a": (out, 4), f"{name}.hada_w{factor}_b": (4, into)}
        found[f"{name}.alpha"] = ()
    return found


def _lokr(unet: Shapes, text: Shapes) -> Shapes:
    """Without core tensors: ComfyUI 0.3.64 leaves layers that have one as they are, by an error of its own."""
    found: Shapes = {}
    for number, (name, (out, into, *kernel)) in enumerate(_layers(unet).items()):
        if out % 4 or into % 4:
            continue
        whole = {f"{name}.lokr_w1": (4, 4)}
        found |= whole if number % 3 == 0 else {f"{name}.lokr_w1_a": (4, 2), f"{name}.lokr_w1_b": (2, 4)}
        second = (out // 4, into // 4, *kernel)
        factors = {f"{name}.lokr_w2_a": (second[0], 3), f"{name}.lokr_w2_b": (3, second[1])}
        found |= {f"{name}.lokr_w2": second} if kernel or number % 2 else factors
        if number % 4:
            found[f"{name}.alpha"] = ()
    return found


def _dora(unet: Shapes, text: Shapes) -> Shapes:
    found = _locon(unet, text)
    for number, (name, (out, into, *kernel)) in enumerate((_layers(unet) | text).items()):
        # Some trainers decompose along the input axis.
        along_input = number % 3 == 0 and not kernel
        found[f"{name}.dora_scale"] = (1, into) if along_input else (out, *[1] * (1 + len(kernel)))
    return found


def _differences(unet: Shapes, text: Shapes) -> Shapes:
    found: Shapes = {}
    for name, shape in unet.items():
        if len(shape) == 1:
            found |= {f"{name}.w_norm": shape, f"{name}.b_norm": shape}
        elif len(shape) == 4:
            found |= {f"{name}.diff": shape, f"{name}.diff_b": shape[:1]}
    return found


def _glora(unet: Shapes, text: Shapes) -> Shapes:
    """Both orders of the factors; three ranks, some with a magnitude, some without a scale."""
    found: Shapes = {}
    for number, (name, (out, into, *kernel)) in enumerate((_layers(unet) | text).items()):
        rank, ones = (1, 4, 8)[number % 3], [1] * len(kernel)
        parts = {"a1": (into, rank), "a2": (rank, into), "b1": (out, rank, *ones), "b2": (rank, into, *kernel)}
        if number % 4 == 1 and kernel[:1] != [3]:
            parts = {"a1": (rank, into), "a2": (into, rank), "b1": (rank, into, *kernel), "b2": (out, rank, *ones)}
        found |= {f"{name}.{part}.weight": shape for part, shape in parts.items()}
        found |= _extras(number, name, out, kernel)
    return found


def _oft(unet: Shapes, text: Shapes) -> Shapes:
    found: Shapes = {}
    for number, (name, (out, _, *kernel)) in enumerate((_layers(unet) | text).items()):
        size = (2, 4, 8)[number % 3]
        found |= {f"{name}.oft_blocks": (out // size, size, size)} | _extras(number, name, out, kernel)
        if number % 4 == 3:
            found[f"{name}.rescale"] = (out, *[1] * (1 + len(kernel)))
    return found


def _boft(unet: Shapes, text: Shapes) -> Shapes:
    """Each with an alpha: ComfyUI 0.3.64 leaves layers that have none as they are, by an error of its own."""
    found: Shapes = {}
    for number, (name, (out, _, *kernel)) in enumerate((_layers(unet) | text).items()):
        size, levels = (2, 4, 8)[number % 3], 1 + number % 2
        found[f"{name}.oft_blocks"] = (levels, out // size, size, size)
        found |= _extras(number, name, out, kernel) | {f"{name}.alpha": ()}
        if number % 4 == 3:
            found[f"{name}.rescale"] = (out, *[1] * (1 + len(kernel)))
    return found


def _extras(number: int, name: str, out: int, kernel: list[int]) -> Shapes:
    found: Shapes = {f"{name}.alpha": ()} if number % 3 else {}
    return found | ({f"{name}.dora_scale": (out, *[1] * (1 + len(kernel)))} if number % 5 == 4 else {})


def _settings(unet: Shapes, text: Shapes) -> Shapes:
    """New values for whole weights, and the generic form, which names biases as parameters of their own."""
    found: Shapes = {}
    for number, (name, shape) in enumerate(unet.items()):
        if number % 3 == 0:
            found[f"{name}.set_weight"] = shape
        elif len(shape) == 1:
            found[f"{name}.w_norm"] = shape
    found["diffusion_model.time_embed.0.bias.set_weight"] = (128,)
    return found | {"diffusion_model.input_blocks.0.0.bias.diff": (32,)}


LORAS: Mapping[str, Callable[[Shapes, Shapes], Shapes]] = {
    "locon": _locon,
    "tucker": _tucker,
    "loha": _loha,
    "lokr": _lokr,
    "dora": _dora,
    "differences": _differences,
    "glora": _glora,
    "oft": _oft,
    "boft": _boft,
    "settings": _settings,
}
