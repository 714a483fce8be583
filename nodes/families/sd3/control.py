"""ControlNets of Stable Diffusion 3.5 by Stability AI: blocks for the picture alone, beside the model's first ones.

Some have no layer of their own for the noisy latent or for the prompt's summary; the model's is used then.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn

from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.backend import current
from nodes.diffusion.contents import content_key
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.double_stream import Residuals
from nodes.diffusion.tokens import grid_size, padded
from nodes.diffusion.weights import WeightView
from nodes.families.marks import Shapes
from nodes.families.sd3 import CONTROL
from nodes.families.sd3.variant import PATCH
from nodes.values import Control, ControlNet, Model

HEAD_WIDTH = 64
WAVES = 256
# Positions run over this range, around its middle, along the shorter side.
MIDDLE, REACH = 7.5, 7.5
_TYPE = "control_type"
_CANNY, _DEPTH = 1, 2


class PictureControl(nn.Module):
    """The network, under the names of its file. ``knows_latent``: whether it has a layer for the noisy latent."""

    def __init__(self, width: int, summary: int, layers: int, channels: int, *, knows_latent: bool) -> None:
        super().__init__()
        self.x_embedder = _patches(channels, width) if knows_latent else None
        self.pos_embed_input = _patches(channels, width)
        self.time_text_embed = nn.ModuleDict(
            {
                "timestep_embedder": TimestepEmbedding(WAVES, width),
                "text_embedder": TimestepEmbedding(summary, width),
            }
        )
        self.transformer_blocks = nn.ModuleList(PictureBlock(width) for _ in range(layers))
        self.controlnet_blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))


class PictureBlock(nn.Module):
    """A transformer block on the picture's tokens, modulated by the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        """``tokens``: [rows, patches, width]; ``time``: [rows, width]."""
        parts = self.adaLN_modulation(time)[:, None].chunk(6, dim=-1)
        shift_in, scale_in, gate_in, shift_out, scale_out, gate_out = parts
        normed = torch.addcmul(shift_in, self.norm(tokens), 1 + scale_in)
        q, k, v = (
            torch.unflatten(side, -1, (-1, HEAD_WIDTH)).transpose(1, 2)
            for side in self.attn["qkv"](normed).chunk(3, dim=-1)
        )
        mixed = current().mix(q, k, v).transpose(1, 2).flatten(2)
        tokens = torch.addcmul(tokens, gate_in, self.attn["proj"](mixed))
        normed = torch.addcmul(shift_out, self.norm(tokens), 1 + scale_out)
        widened = self.mlp["fc2"](F.gelu(self.mlp["fc1"](normed), approximate="tanh"))
        return torch.addcmul(tokens, gate_out, widened)


def _patches(channels: int, width: int) -> nn.ModuleDict:
    return nn.ModuleDict({"proj": nn.Conv2d(channels, width, PATCH, PATCH)})


def load(view: WeightView, kind: str) -> ControlNet:
    """The network in ``view``, which is all of its file."""
    latent = "pos_embed.proj.weight"
    network = view.renamed({name.replace("pos_embed.proj", "x_embedder.proj"): name for name in view})
    width, channels = view.shape("pos_embed_input.proj.weight")[:2]
    summary = view.shape("time_text_embed.text_embedder.linear_1.weight")[1]
    layers, knows_latent = view.count("transformer_blocks"), latent in view or "x_embedder.proj.weight" in view

    def make() -> PictureControl:
        return PictureControl(width, summary, layers, channels, knows_latent=knows_latent)

    weights = Weights(
        f"{kind}:{content_key(network)}",
        lambda: assemble(make, network),
        view.file.path.name,
        heavy=network.heavy,
        release=view.file.release,
    )
    return ControlNet(weights, CONTROL, variant=round(view[_TYPE].item()) if _TYPE in view else None)


def fits(shapes: Shapes, net: ControlNet, model: Model, network: Shapes) -> bool:
    """Whether the network has tokens as wide as the model's."""
    return network.get("pos_embed.proj.weight", ())[:1] == shapes["pos_embed_input.proj.weight"][:1]


def residuals(control: Control, module: PictureControl, call: ControlCall) -> Residuals:
    """What the network adds at strength 1 after each block of the model."""
    weight = module.controlnet_blocks[0].weight
    x, pooled = (given.to(weight.device, weight.dtype) for given in (call.x, call.inputs["pooled"]))  # type: ignore[arg-type]
    seen = call.space.to_model(call.latent_hint(control, _PREPARED.get(control.net.variant, lambda pixels: pixels)))
    serves_summary = _is_told_by_the_model(module)
    image = _tokens(call.network.pos_embed if module.x_embedder is None else module.x_embedder, x)
    if serves_summary:
        pooled = call.network.time_text_embed.text_embedder(pooled)
    else:
        image = image + _positions(x, image.shape[-1])
    image = image + _tokens(module.pos_embed_input, seen.to(x))
    embed: Any = module.time_text_embed
    waves = get_timestep_embedding(call.timestep.to(x.device), WAVES, flip_sin_to_cos=True, downscale_freq_shift=0)
    time = embed["timestep_embedder"](waves.to(x)) + embed["text_embedder"](pooled)
    made: list[Tensor] = []
    for block, out in zip(module.transformer_blocks, module.controlnet_blocks, strict=True):
        after = block(image, time)
        image = image if serves_summary else after
        made.append(out(after))
    depth = image.shape[-1] // HEAD_WIDTH  # of the published model this wide, which has as many blocks as heads
    each = math.ceil(depth / len(made))
    return Residuals(tuple(made[number // each] for number in range(each * len(made))))


def _is_told_by_the_model(module: PictureControl) -> bool:
    """Whether the summary comes through the model's layer: then this network's takes what is as wide as it makes."""
    embed: Any = module.time_text_embed["text_embedder"]
    return bool(embed.linear_1.weight.shape[0] == embed.linear_1.weight.shape[1])


def _tokens(embed: Any, latent: Tensor) -> Tensor:
    projection = embed["proj"] if isinstance(embed, nn.ModuleDict) else embed.proj
    tokens: Tensor = projection(padded(latent, PATCH)).flatten(2).transpose(1, 2)
    return tokens


def _positions(x: Tensor, width: int) -> Tensor:
    """Waves of column, then of row, for each patch: [patches, width]."""
    rows, columns = grid_size(x, PATCH)
    shorter = min(rows, columns)
    y, x_places = (
        torch.linspace(MIDDLE - REACH * side / shorter, MIDDLE + REACH * side / shorter, side, device=x.device)
        for side in (rows, columns)
    )
    omega = 10000.0 ** -(torch.arange(width // 4, device=x.device) / (width / 4))

    def waves(places: Tensor) -> Tensor:
        angles = places.flatten()[:, None] * omega
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    grid_y, grid_x = torch.meshgrid(y, x_places, indexing="ij")
    return torch.cat([waves(grid_x), waves(grid_y)], dim=1).to(x)


_PREPARED = {_CANNY: lambda pixels: pixels * 255 * 0.5 + 0.5, _DEPTH: lambda pixels: 1.0 - pixels}
