"""Flux.1's transformer: text and picture in double blocks, then as one; https://bfl.ai/blog/24-08-01-bfl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import FluxTransformer2DModel
from torch import Tensor

from engine.errors import ModelUnreadable
from nodes.diffusion.backend import current
from nodes.diffusion.double_stream import Joint, Modulations, run_blocks
from nodes.diffusion.modulation import modulated
from nodes.diffusion.parameterization import flow, flux_flow
from nodes.diffusion.references import ReferenceMethod, ReferencePosition, places, size_of
from nodes.diffusion.rotary import rotations
from nodes.diffusion.tokens import grid_positions, grid_size, to_latent, to_tokens
from nodes.diffusion.transformers import weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.flux import FAMILY
from nodes.families.flux.names import name_map
from nodes.families.flux.variant import PATCH, FluxVariant
from nodes.hooks import Call
from nodes.values import Model

HEAD_WIDTH = 128
AXES = (16, 56, 56)
THETA = 10000.0
TIME_SCALE = 1000.0
DEFAULT_METHOD: ReferenceMethod = "offset"


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'; one without guidance is schnell, and sampled so."""
    config = configuration(view)
    weights = weights_of("flux", with_scales(view), lambda: FluxTransformer2DModel(**config), name_map)
    sampled = flux_flow() if config["guidance_embeds"] else flow(shift=1.0, multiplier=1.0)
    variant = FluxVariant(config["joint_attention_dim"], config["in_channels"] // PATCH**2)
    return Model(weights, FAMILY, sampled, FAMILY.space, variant)


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``FluxTransformer2DModel`` is made with, read from the shapes of its tensors in either layout."""
    width, in_channels = shape_in(view, "img_in.weight", "x_embedder.weight")
    pooled = shape_in(view, "vector_in.in_layer.weight", "time_text_embed.text_embedder.linear_1.weight")[1]
    guidance = ("guidance_in.in_layer.weight", "time_text_embed.guidance_embedder.linear_1.weight")
    return {
        "in_channels": in_channels,
        "out_channels": shape_in(view, "final_layer.linear.weight", "proj_out.weight")[0],
        "num_layers": max(view.count("double_blocks"), view.count("transformer_blocks")),
        "num_single_layers": max(view.count("single_blocks"), view.count("single_transformer_blocks")),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": shape_in(view, "txt_in.weight", "context_embedder.weight")[1],
        "pooled_projection_dim": pooled,
        "guidance_embeds": any(name in view for name in guidance),
        "axes_dims_rope": AXES,
    }


def shape_in(view: WeightView, *names: str) -> tuple[int, ...]:
    """Of the tensor that goes by one of ``names``. Raises ``ModelUnreadable`` where there is none."""
    found = next((name for name in names if name in view), None)
    if found is None:
        raise ModelUnreadable(
            f"model file '{view.file.path.name}' lacks '{names[0]}'", remedy="take a complete file of this model"
        )
    return view.shape(found)


def with_scales(view: WeightView) -> WeightView:
    """``view`` with the blocks' norms called ``scale``, as most files of the authors' layout have them."""
    return view.renamed({name.replace("_norm.weight", "_norm.scale"): name for name in view})


@dataclass(frozen=True, slots=True, eq=False)
class PassInputs:
    """What a pass works on. ``tokens``: of the picture and of those that it refers to, [rows, patches, channels x 4];
    ``context``: of the prompt; ``joint``: where all of them stand.
    """

    tokens: Tensor
    context: Tensor
    joint: Joint


def sequence(module: Any, x: Tensor, inputs: Mapping[str, Any]) -> PassInputs:
    """What the network is given, where and in the format in which its weights are; see :func:`step`."""
    weight = module.x_embedder.weight
    x, context = (given.to(weight.device, weight.dtype) for given in (x, inputs["context"]))
    beside = inputs.get("image")
    own = to_tokens(x if beside is None else torch.cat([x, beside.to(x)], dim=1), PATCH)
    references = [inputs[f"reference_{number}"].to(x) for number in range(inputs.get("references", 0))]
    tokens = torch.cat([own, *(to_tokens(latent, PATCH) for latent in references)], dim=1)
    positions = picture_positions(x, references, inputs.get("reference_method", DEFAULT_METHOD))
    turns = rotations(torch.cat([text_positions(context), *positions]), AXES, THETA)
    return PassInputs(tokens, context, Joint(turns, context.shape[1], own.shape[1], current().mix, inputs.get("bias")))


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 16, height, width], of any height and width.

    ``inputs``: ``context`` [rows, tokens, width]; of these what there is: ``pooled`` [rows, width], ``guidance``
    [rows], ``image`` [rows, channels, height, width] beside ``x``, ``references`` (how many) with ``reference_0`` and
    so on, latents in the model's scale, and ``reference_method``; ``bias`` of the attention's scores.
    """
    given = sequence(module, x, inputs)
    is_clean = "references" in inputs and inputs["reference_method"] == "index_timestep_zero"
    times = torch.stack([timestep, timestep * 0] if is_clean else [timestep], dim=1)
    time = F.silu(embed_time(module.time_text_embed, times.to(given.tokens.device), inputs))
    doubles, singles = module.transformer_blocks, module.single_transformer_blocks

    def of_double(number: int) -> tuple[Modulations, Modulations]:
        block = doubles[number]
        return block.norm1.linear(time).chunk(6, -1), block.norm1_context.linear(time[:, :1]).chunk(6, -1)

    def of_single(number: int) -> Modulations:
        parts: Modulations = singles[number].norm.linear(time).chunk(3, -1)
        return parts

    size = (x.shape[-2], x.shape[-1])
    image, text = module.x_embedder(given.tokens), module.context_embedder(given.context)
    image = run_blocks(module, image, text, given.joint, of_double, of_single, call, size)
    own = given.joint.own
    scale, shift = module.norm_out.linear(time[:, :1]).chunk(2, dim=-1)
    return to_latent(module.proj_out(modulated(module.norm_out.norm(image[:, :own]), shift, scale, own)), size, PATCH)


def embed_time(embed: Any, times: Tensor, inputs: Mapping[str, Any]) -> Tensor:
    """Embeddings of noise levels, [rows, levels], with guidance and pooled prompt: [rows, levels, width]."""
    dtype = embed.timestep_embedder.linear_1.weight.dtype
    time: Tensor = embed.timestep_embedder(embed.time_proj(times.flatten() * TIME_SCALE).to(dtype))
    time = torch.unflatten(time, 0, times.shape)
    guidance = inputs.get("guidance")
    if guidance is not None and hasattr(embed, "guidance_embedder"):
        time = (
            time
            + embed.guidance_embedder(embed.time_proj(guidance.to(time.device).float() * TIME_SCALE).to(dtype))[:, None]
        )
    width = embed.text_embedder.linear_1.weight.shape[1]
    pooled = inputs.get("pooled")
    pooled = time.new_zeros(times.shape[0], width) if pooled is None else pooled[:, :width].to(time)
    embedding: Tensor = time + embed.text_embedder(pooled)[:, None]
    return embedding


def picture_positions(x: Tensor, references: Sequence[Tensor], method: ReferenceMethod) -> list[Tensor]:
    """Layer, row and column of each patch, float32[patches, 3]: of the picture, then of each reference."""
    beside = places(map(size_of, references), method, PATCH, corner=ReferencePosition(0, *grid_size(x, PATCH)))
    latents = [(x, ReferencePosition(0, 0, 0)), *zip(references, beside, strict=True)]
    return [patch_positions(latent, place) for latent, place in latents]


def patch_positions(latent: Tensor, place: ReferencePosition) -> Tensor:
    """Layer, row and column of each patch of one latent, float32[patches, 3]."""
    grid = grid_positions(*grid_size(latent, PATCH), latent.device)
    grid += torch.tensor([place.row, place.column], device=latent.device)
    return torch.cat([torch.full_like(grid[:, :1], place.layer), grid], dim=1)


def text_positions(context: Tensor) -> Tensor:
    """Those of the text, which stands nowhere: float32[tokens, 3]."""
    return torch.zeros(context.shape[1], len(AXES), device=context.device)
