"""Bare networks of full size with random weights, and what a pass through one takes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from benchmarks.weights import UNETS, Shapes, random_tensors
from engine.errors import DagfusionError

if TYPE_CHECKING:
    import torch

    from nodes.diffusion.backend import Backend

# A network that is there for a trial run: as SD1.5's, in small.
SMALL = {"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 64}


@dataclass(frozen=True)
class Inputs:
    """What a pass takes. ``y``: SDXL's vector; ``added``: the same as diffusers takes it, in parts."""

    x: torch.Tensor
    timestep: torch.Tensor
    context: torch.Tensor
    y: torch.Tensor | None = None
    added: dict[str, torch.Tensor] | None = None


def unet(family: str, dtype: torch.dtype, device: str, *, compile: str = "off", channels_last: bool = False) -> Any:
    """A family's UNet, or the ``small`` one. ``compile``: its repeated blocks, in torch's mode of that name, or off.

    Raises ``DagfusionError`` for families that are not known.
    """
    import torch

    network = _empty(family)
    shapes = _shapes(network)
    network.load_state_dict({name: tensor.to(device, dtype) for name, tensor in random_tensors(shapes, 0)}, assign=True)
    network = network.requires_grad_(False).eval()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    if compile != "off":
        network.compile_repeated_blocks(dynamic=True, mode=compile)
    return network


def unet_shapes(family: str) -> Shapes:
    """The UNet's tensors by diffusers' names. Raises ``DagfusionError`` for families that are not known."""
    return _shapes(_empty(family))


def _shapes(network: Any) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _empty(family: str) -> Any:
    import torch
    from diffusers import UNet2DConditionModel

    sizes = {"small": SMALL, **UNETS}
    if family not in sizes:
        raise DagfusionError(f"no sizes are known of '{family}'", remedy=f"there are: {', '.join(sizes)}")
    with torch.device("meta"):
        return UNet2DConditionModel(**sizes[family])


def inputs(network: Any, batch: int, latent_px: int) -> Inputs:
    """Random ones of the network's widths, on its device and in its format."""
    import torch

    weight, source = network.conv_in.weight, torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=source).to(weight.device, weight.dtype)

    config = network.config
    given = Inputs(
        random(batch, config.in_channels, latent_px, latent_px),
        torch.full((batch,), 500, device=weight.device),
        random(batch, 77, config.cross_attention_dim),
    )
    if config.addition_embed_type != "text_time":
        return given
    pooled = random(batch, config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim)
    side_px = 8.0 * latent_px
    sizes = torch.tensor([[side_px, side_px, 0, 0, side_px, side_px]] * batch, device=weight.device)
    waves = network.add_time_proj(sizes.flatten()).reshape(batch, -1).to(weight.dtype)
    added = {"text_embeds": pooled, "time_ids": sizes}
    return Inputs(given.x, given.timestep, given.context, torch.cat([pooled, waves], dim=-1), added)


def format_named(dtype: str) -> torch.dtype:
    """The number format of that name. Raises ``DagfusionError`` where there is none."""
    import torch

    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise DagfusionError(f"there is no number format '{dtype}'", remedy="try float32, bfloat16 or float16")
    return found


_TORCH_KERNELS = ("flash", "efficient", "cudnn", "math")


def backend_by(kernel: str, compile: str, device: str) -> Backend:
    """How this project computes networks: by its own choice of kernel (``auto``, ``sage``), or by torch's.

    Raises ``DagfusionError`` for other names.
    """
    import torch

    from engine.computing import Attention, Compile, Computing
    from engine.derived import Derived
    from nodes.diffusion.backend import backend_for

    attention = "sdpa" if kernel in _TORCH_KERNELS else kernel
    computing = Computing(cast("Attention", attention), cast("Compile", compile))
    return backend_for(torch.device(device), computing, Derived(lambda: sys.maxsize))


def torch_attention(kernel: str) -> AbstractContextManager[object]:
    """Within, torch's attention is by the kernel of that name, for whoever computes; by its own choice for others."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if kernel not in _TORCH_KERNELS:
        return nullcontext()
    forced = (
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.MATH,
    )
    return sdpa_kernel(forced[_TORCH_KERNELS.index(kernel)])
