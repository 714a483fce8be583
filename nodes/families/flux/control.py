"""ControlNets of Flux.1: those that read a latent (InstantX, Shakker, union ones), and XLabs', which read pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import FluxControlNetModel
from torch import Tensor

from engine.weights import Weights
from nodes.diffusion import references
from nodes.diffusion.assembly import assemble
from nodes.diffusion.backend import current
from nodes.diffusion.contents import content_key
from nodes.diffusion.control.call import ControlCall
from nodes.diffusion.double_stream import Joint, Modulations, Residuals, double_block, single_block
from nodes.diffusion.name_map import Spans, by_table, sources, whole
from nodes.diffusion.rotary import rotations
from nodes.diffusion.tokens import to_tokens
from nodes.diffusion.transformers import quietly
from nodes.diffusion.weights import Place, WeightView
from nodes.families.flux import CONTROL, PIXEL_CONTROL
from nodes.families.flux.denoiser import AXES, HEAD_WIDTH, THETA, embed_time, patch_positions, text_positions
from nodes.families.flux.names import ALIASES, BLOCKS, EMBEDDERS
from nodes.families.flux.variant import PATCH
from nodes.families.marks import Shapes
from nodes.values import Control, ControlNet, Model

# Blocks of the published model, over which residuals are spread whatever the depth of the one that is controlled.
DOUBLES, SINGLES = 19, 38
# Where either layout has the picture's tokens, the prompt's, its summary and the guidance.
_AUTHORS = ("img_in", "txt_in", "vector_in.in_layer", "guidance_in.in_layer")
_DIFFUSERS = (
    "x_embedder",
    "context_embedder",
    "time_text_embed.text_embedder.linear_1",
    "time_text_embed.guidance_embedder.linear_1",
)
PIXEL_NAMES: dict[str, tuple[str, ...]] = {
    "pos_embed_input": ("controlnet_x_embedder",),
    "controlnet_blocks.{}": ("controlnet_blocks.{}",),
    "input_hint_block.0": ("input_hint_block.conv_in",),
    "input_hint_block.14": ("input_hint_block.conv_out",),
    **{f"input_hint_block.{2 * number + 2}": (f"input_hint_block.blocks.{number}",) for number in range(6)},
}


def load(view: WeightView, kind: str) -> ControlNet:
    """The network in ``view``, which is all of its file."""
    reads_pixels = kind == PIXEL_CONTROL.name
    config = _configuration(view, reads_pixels)
    network = view.renamed(_places(view, config, reads_pixels))
    weights = Weights(
        f"{kind}:{content_key(network)}",
        lambda: assemble(lambda: _make(config), network),
        view.file.path.name,
        heavy=network.heavy,
        release=view.file.release,
    )
    return ControlNet(weights, PIXEL_CONTROL if reads_pixels else CONTROL, modes=config["num_mode"] or 0)


def _configuration(view: WeightView, reads_pixels: bool) -> dict[str, Any]:
    first, text, pooled, guidance = _AUTHORS if reads_pixels else _DIFFUSERS
    width, channels = view.shape(f"{first}.weight")
    mode = "controlnet_mode_embedder.weight"
    return {
        "in_channels": channels,
        "num_layers": view.count("double_blocks" if reads_pixels else "transformer_blocks"),
        "num_single_layers": view.count("single_blocks" if reads_pixels else "single_transformer_blocks"),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": view.shape(f"{text}.weight")[1],
        "pooled_projection_dim": view.shape(f"{pooled}.weight")[1],
        "guidance_embeds": f"{guidance}.weight" in view,
        "num_mode": view.shape(mode)[0] if mode in view else None,
        "conditioning_embedding_channels": 16 if reads_pixels else None,
    }


def _make(config: Mapping[str, Any]) -> torch.nn.Module:
    return quietly(lambda: FluxControlNetModel(**config))


def _places(view: WeightView, config: dict[str, Any], reads_pixels: bool) -> dict[str, Place]:
    """Where the file has each parameter: by its authors' names (XLabs'), or by diffusers', of which aliases count."""
    with torch.device("meta"):
        module = _make(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if reads_pixels:
        return sources(known(view, by_table(BLOCKS | EMBEDDERS | PIXEL_NAMES, shapes)))
    own = known(view, whole({name: name for name in shapes}))
    return sources(own) | sources(known(view, by_table(ALIASES, shapes)))


def known(view: WeightView, names: Mapping[str, Spans]) -> dict[str, Spans]:
    """Those of ``names`` that the file has; what it lacks is told when the network is put together."""
    return {name: spans for name, spans in names.items() if name in view}


def fits(shapes: Shapes, net: ControlNet, model: Model, network: Shapes) -> bool:
    """Whether the network has tokens as wide as the model's."""
    own, controlled = shapes["x_embedder.weight"], network.get("x_embedder.weight", ())
    text = network.get("context_embedder.weight", ())
    return own[:1] == controlled[:1] and text[1:] == shapes["context_embedder.weight"][1:]


def residuals(control: Control, module: Any, call: ControlCall) -> Residuals:
    """What the network adds at strength 1."""
    weight = module.x_embedder.weight
    x, context = (given.to(weight.device, weight.dtype) for given in (call.x, call.inputs["context"]))
    seen = _pixels(control, module, call) if control.net.kind is PIXEL_CONTROL else _latent(control, call)
    image = module.x_embedder(to_tokens(x, PATCH)) + module.controlnet_x_embedder(to_tokens(seen.to(x), PATCH))
    text = module.context_embedder(context)
    if control.net.modes and control.net.union_type is not None:
        mode = module.controlnet_mode_embedder.weight[control.net.union_type]
        text = torch.cat([mode.expand(text.shape[0], 1, -1), text], dim=1)
    places = torch.cat([text_positions(text), patch_positions(x, references.ReferencePosition(0, 0, 0))])
    joint = Joint(rotations(places, AXES, THETA), text.shape[1], image.shape[1], current().mix)
    time = F.silu(embed_time(module.time_text_embed, call.timestep.to(weight.device)[:, None], call.inputs))
    doubles, singles = _run(module, image, text, joint, time)
    spread = _cycled if control.net.kind is PIXEL_CONTROL else _stretched
    return Residuals(spread(doubles, DOUBLES), spread(singles, SINGLES))


def _pixels(control: Control, module: Any, call: ControlCall) -> Tensor:
    """The picture as the network's own convolutions bring it to the latent's size."""
    weight = module.input_hint_block.conv_in.weight
    seen: Tensor = module.input_hint_block((call.hint(control) * 2 - 1).to(weight.device, weight.dtype))
    return seen


def _latent(control: Control, call: ControlCall) -> Tensor:
    return call.space.to_model(call.latent_hint(control))


def _run(module: Any, image: Tensor, text: Tensor, joint: Joint, time: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """What is to be added after each of the network's blocks, double and single ones."""
    doubles, singles = [], []
    for block, out in zip(module.transformer_blocks, module.controlnet_blocks, strict=True):
        of_image: Modulations = block.norm1.linear(time).chunk(6, -1)
        image, text = double_block(block, image, text, of_image, block.norm1_context.linear(time).chunk(6, -1), joint)
        doubles.append(out(image))
    stream = torch.cat([text, image], dim=1)
    for block, out in zip(module.single_transformer_blocks, module.controlnet_single_blocks, strict=True):
        stream = single_block(block, stream, block.norm.linear(time).chunk(3, -1), joint)
        singles.append(out(stream[:, joint.text :]))
    return doubles, singles


def _stretched(given: list[Tensor], count: int) -> tuple[Tensor, ...]:
    """Each for so many blocks in a row that they reach ``count``."""
    if not given:
        return ()
    return tuple(given[number // math.ceil(count / len(given))] for number in range(count))


def _cycled(given: list[Tensor], count: int) -> tuple[Tensor, ...]:
    """In turn, again and again up to ``count``."""
    return tuple(given[number % len(given)] for number in range(count)) if given else ()
