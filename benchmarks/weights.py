"""Random checkpoints of the published sizes, as single files in fp16: speed does not depend on what weights say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DagfusionError

if TYPE_CHECKING:
    import torch

Shapes = dict[str, tuple[int, ...]]

UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd15": {"cross_attention_dim": 768},
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
FAMILIES = tuple(UNETS)
_TOKENS, _POSITIONS = 49_408, 77
_POOL = 2**22


def checkpoint_name(family: str) -> str:
    """The file name of a family's random checkpoint."""
    return f"random_{family}.safetensors"


def write_checkpoint(folder: Path, family: str, seed: int = 0) -> Path:
    """Write it into ``folder`` (2.1 GB for SD1.5, 6.9 GB for SDXL), unless it is there. Returns the file."""
    if family not in UNETS:
        raise DagfusionError(f"no sizes are known of '{family}'", remedy=f"there are: {', '.join(UNETS)}")
    from safetensors.torch import save_file

    path = folder / checkpoint_name(family)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        save_file(dict(random_tensors(checkpoint_shapes(family), seed)), unfinished)
        unfinished.replace(path)
    return path


def checkpoint_shapes(family: str) -> Shapes:
    """The tensors of a family's single file, under the names that such files have."""
    text = "cond_stage_model" if family == "sd15" else "conditioner.embedders.0"
    shapes = {f"model.diffusion_model.{name}": shape for name, shape in _unet(family).items()}
    shapes |= {f"first_stage_model.{name}": shape for name, shape in _vae().items()}
    shapes |= {f"{text}.transformer.text_model.{name}": shape for name, shape in _clip_l().items()}
    if family == "sdxl":
        shapes |= {f"conditioner.embedders.1.model.{name}": shape for name, shape in _clip_g().items()}
    return shapes


def random_tensors(shapes: Shapes, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor in float16: weights normal around 0 that keep their input's scale, norms at 1, biases at 0.

    The numbers are cut from one pool, each tensor's at a place of its own: drawing a billion would take minutes.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    pool = torch.randn(_POOL, generator=generator)
    for name, shape in shapes.items():
        if len(shape) == 1:
            yield name, torch.full(shape, float(name.endswith("weight")), dtype=torch.float16)
            continue
        scaled = (pool / math.sqrt(math.prod(shape[1:]))).half()
        start = int(torch.randint(_POOL, (1,), generator=generator))
        count = math.prod(shape)
        rounds = 2 + count // _POOL
        yield name, scaled.repeat(rounds)[start : start + count].reshape(shape).clone()


def _unet(family: str) -> Shapes:
    import torch
    from diffusers import UNet2DConditionModel

    from nodes.diffusion.ldm_names import ldm_names

    with torch.device("meta"):
        shapes = {name: tuple(t.shape) for name, t in UNet2DConditionModel(**UNETS[family]).state_dict().items()}
    modules = ldm_names({name.rpartition(".")[0] for name in shapes})
    return {f"{modules[module]}.{leaf}": shapes[f"{module}.{leaf}"] for module, _, leaf in map(_rsplit, shapes)}


def _vae() -> Shapes:
    import torch
    from diffusers import AutoencoderKL

    from models.tiny.ldm_names import vae_name

    with torch.device("meta"):
        found = {vae_name(name): tuple(t.shape) for name, t in AutoencoderKL(**VAE).state_dict().items()}
    # Single files have this attention's projections as convolutions of one pixel.
    return {n: (*s, 1, 1) if ".attn_1." in n and len(s) == 2 else s for n, s in found.items()}


def _clip_l(width: int = 768, layers: int = 12) -> Shapes:
    shapes: Shapes = {
        "embeddings.token_embedding.weight": (_TOKENS, width),
        "embeddings.position_embedding.weight": (_POSITIONS, width),
    }
    for layer in range(layers):
        stem = f"encoder.layers.{layer}"
        shapes |= _linear(f"{stem}.mlp.fc1", 4 * width, width) | _linear(f"{stem}.mlp.fc2", width, 4 * width)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _linear(f"{stem}.self_attn.{name}", width, width)
        shapes |= _norm(f"{stem}.layer_norm1", width) | _norm(f"{stem}.layer_norm2", width)
    return shapes | _norm("final_layer_norm", width)


def _clip_g(width: int = 1280, layers: int = 32) -> Shapes:
    shapes: Shapes = {
        "token_embedding.weight": (_TOKENS, width),
        "positional_embedding": (_POSITIONS, width),
        "text_projection": (width, width),
    }
    for layer in range(layers):
        stem = f"transformer.resblocks.{layer}"
        shapes |= {f"{stem}.attn.in_proj_weight": (3 * width, width), f"{stem}.attn.in_proj_bias": (3 * width,)}
        shapes |= _linear(f"{stem}.attn.out_proj", width, width)
        shapes |= _linear(f"{stem}.mlp.c_fc", 4 * width, width) | _linear(f"{stem}.mlp.c_proj", width, 4 * width)
        shapes |= _norm(f"{stem}.ln_1", width) | _norm(f"{stem}.ln_2", width)
    return shapes | _norm("ln_final", width)


def _linear(name: str, out: int, width: int) -> Shapes:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _rsplit(name: str) -> tuple[str, str, str]:
    return name.rpartition(".")
