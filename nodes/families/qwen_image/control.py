"""InstantX's ControlNets of Qwen-Image: some of its blocks, whose outcome serves several of the model's in a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import QwenImageControlNetModel
from torch import Tensor

from engine.errors import InputInvalid
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.backend import current
from nodes.diffusion.contents import content_key
from nodes.diffusion.control.call import HINT_METHOD, ControlCall
from nodes.diffusion.latents import resize
from nodes.diffusion.name_map import sources, whole
from nodes.diffusion.transformers import quietly
from nodes.diffusion.weights import WeightView
from nodes.families.marks import Shapes
from nodes.families.qwen_image import CONTROL
from nodes.families.qwen_image.denoiser import (
    HEAD_WIDTH,
    PATCH,
    BlockResiduals,
    embed_time,
    embedded,
    frames_to_tokens,
    run_block,
)
from nodes.values import Control, ControlNet, Model

# Blocks of the published model, over which the network's are spread whatever the depth of the one that is controlled.
BLOCKS = 60


def load(view: WeightView, kind: str) -> ControlNet:
    """The network in ``view``, which is all of its file. If its tokens are wider, it reads a mask with the picture."""
    width, patch_width = view.shape("img_in.weight")
    mask_width = view.shape("controlnet_x_embedder.weight")[1] - patch_width
    config = {
        "patch_size": PATCH,
        "in_channels": patch_width,
        "num_layers": view.count("transformer_blocks"),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": view.shape("txt_in.weight")[1],
        "extra_condition_channels": mask_width,
    }
    network = view.renamed(sources(whole({name: name for name in _shapes(config)})))
    weights = Weights(
        f"{kind}:{content_key(network)}",
        lambda: assemble(lambda: _make(config), network),
        view.file.path.name,
        heavy=network.heavy,
        release=view.file.release,
    )
    return ControlNet(weights, CONTROL, takes_mask=mask_width > 0)


def _make(config: Mapping[str, Any]) -> torch.nn.Module:
    return quietly(lambda: QwenImageControlNetModel(**config))


def _shapes(config: Mapping[str, Any]) -> Shapes:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in _make(config).state_dict().items()}


def fits(shapes: Shapes, net: ControlNet, model: Model, network: Shapes) -> bool:
    """Whether the network has streams as wide as the model's."""
    return all(shapes[name] == network.get(name) for name in ("img_in.weight", "txt_in.weight"))


def residuals(control: Control, module: Any, call: ControlCall) -> BlockResiduals:
    """What the network adds at strength 1."""
    weight = module.img_in.weight
    x, context = (given.to(weight.device, weight.dtype) for given in (call.x, call.inputs["context"]))
    image, turns, count = embedded(module, x, context.shape[1], [], "index")
    image = image + module.controlnet_x_embedder(frames_to_tokens(_seen(control, call).to(x)))
    text = module.txt_in(module.txt_norm(context))
    time = embed_time(module, call.timestep.to(x.device), x.dtype)[:, None]
    best, added = current().best(run_block), []
    for block, out in zip(module.transformer_blocks, module.controlnet_blocks, strict=True):
        made = best(block, image, text, time, *turns, count)
        image, text = made[:, :count], made[:, count:]
        added.append(out(image))
    served = math.ceil(BLOCKS / len(added))
    return BlockResiduals(tuple(added[number // served] for number in range(BLOCKS)))


def _seen(control: Control, call: ControlCall) -> Tensor:
    """The picture's latent, and where the network takes one, what of it is to be kept."""
    latent = call.space.to_model(call.latent_hint(control))
    if not control.net.takes_mask:
        return latent
    if control.mask is None:
        raise InputInvalid(
            "this ControlNet draws what a mask covers, and was given no mask",
            input="control_net",
            remedy="apply it with ControlNetInpaintingAliMamaApply",
        )
    height, width = latent.shape[-2:]
    kept = resize(1 - control.mask[:, None], width, height, HINT_METHOD, crop=True)
    kept = call.for_rows(kept).to(latent)[:, :, None]
    return torch.cat([latent, kept.expand(latent.shape[0], -1, latent.shape[2], -1, -1)], dim=1)
