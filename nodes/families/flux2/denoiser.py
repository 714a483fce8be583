"""Flux.2's transformer: double blocks, then single ones, under one modulation for all; https://bfl.ai/blog/flux-2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux2 import Flux2Transformer2DModel
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.modulation import gated, modulated
from nodes.diffusion.parameterization import flux_flow
from nodes.diffusion.references import ReferenceMethod, ReferencePosition, places, references_in, size_of
from nodes.diffusion.rotary import rotate, rotations
from nodes.diffusion.tokens import grid_positions, grid_size, to_latent, to_tokens
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.flux2 import FAMILY
from nodes.families.flux2.names import name_map
from nodes.hooks import Call, HookSite, KeptAttention
from nodes.values import Model

HEAD_WIDTH = 128
PATCH = 1
AXES = (32, 32, 32, 32)
THETA = 2000.0
MU = 2.02
LAYER_STEP = 10  # how far references lie apart on the first axis
TIME_CHANNELS = 256
FLOAT16_MAX = 65504


@dataclass(frozen=True, slots=True)
class Flux2Variant:
    """``context_width``: of the encoded prompts; ``reference_method``: where references stand if no node says."""

    context_width: int
    reference_method: ReferenceMethod = "index"


def load(view: WeightView) -> Model:
    """The model in ``view``, in its authors' layout or diffusers'."""
    config = configuration(view)
    weights = weights_of("flux2", view, lambda: Flux2Transformer2DModel(**config), name_map)
    return Model(weights, FAMILY, flux_flow(MU), FAMILY.space, Flux2Variant(config["joint_attention_dim"]))


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``Flux2Transformer2DModel`` is made with, read from the shapes of its tensors in either layout."""
    native = "img_in.weight" in view
    width, channels = view.shape("img_in.weight" if native else "x_embedder.weight")
    out = "double_blocks.0.img_mlp.2.weight" if native else "transformer_blocks.0.ff.linear_out.weight"
    guidance = ("guidance_in.in_layer.weight", "time_guidance_embed.guidance_embedder.linear_1.weight")
    return {
        "patch_size": PATCH,
        "in_channels": channels,
        "num_layers": view.count("double_blocks" if native else "transformer_blocks"),
        "num_single_layers": view.count("single_blocks" if native else "single_transformer_blocks"),
        "attention_head_dim": HEAD_WIDTH,
        "num_attention_heads": width // HEAD_WIDTH,
        "joint_attention_dim": view.shape("txt_in.weight" if native else "context_embedder.weight")[1],
        "timestep_guidance_channels": TIME_CHANNELS,
        "mlp_ratio": view.shape(out)[1] / width,
        "axes_dims_rope": AXES,
        "rope_theta": int(THETA),
        "guidance_embeds": any(name in view for name in guidance),
    }


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - picture) of ``x``, [rows, 128, height, width].

    ``inputs``: ``context``, the encoded prompt, [rows, tokens, width]; ``guidance``, [rows], where there is any;
    references as :mod:`nodes.diffusion.references` names them.
    """
    weight = module.x_embedder.weight
    x, inputs = beside(weight, x), {name: beside(weight, value) for name, value in inputs.items()}
    context = inputs["context"]
    this = _Pass(module, x, timestep.to(x.device), inputs, call)
    image, text = module.x_embedder(this.tokens), module.context_embedder(context)
    of_image = module.double_stream_modulation_img(this.time).chunk(6, dim=-1)
    of_text = module.double_stream_modulation_txt(this.time[:, :1]).chunk(6, dim=-1)
    for number, block in enumerate(module.transformer_blocks):

        def double(state: State, block: Any = block, number: int = number) -> State:
            made = _double(block, state["image"], state["text"], of_image, of_text, this, ("double", number))
            return {"image": made[0], "text": made[1]}

        site = HookSite("double", number, 0, (x.shape[-2], x.shape[-1]), call.rows, call.sigma)
        state = through(call.patches.around_block, double, {"image": image, "text": text}, site)
        image, text = state["image"], state["text"]
    stream = torch.cat([text, image], dim=1)
    of_both = module.single_stream_modulation(this.time).chunk(3, dim=-1)
    for number, block in enumerate(module.single_transformer_blocks):

        def single(state: State, block: Any = block, number: int = number) -> State:
            return {"stream": _single(block, state["stream"], of_both, this, ("single", number))}

        site = HookSite("single", number, 0, (x.shape[-2], x.shape[-1]), call.rows, call.sigma)
        stream = through(call.patches.around_block, single, {"stream": stream}, site)["stream"]
    image = stream[:, text.shape[1] : text.shape[1] + this.count]
    # The file has shift before scale here, diffusers the other way round; the weight stays as it is in the file.
    shift, scale = module.norm_out.linear(F.silu(this.time[:, :1])).chunk(2, dim=-1)
    tokens = module.proj_out(modulated(module.norm_out.norm(image), shift, scale, this.count))
    return to_latent(tokens, (x.shape[-2], x.shape[-1]), PATCH)


class _Pass:
    """What all blocks of one pass need.

    ``time``: the embedding, [rows, 1 or 2, width], the second for references that are told to be free of noise;
    ``count``: how many of the picture's tokens are its own; ``text``: how many tokens the text has.
    """

    def __init__(self, module: Any, x: Tensor, sigma: Tensor, inputs: Mapping[str, Any], call: Call) -> None:
        references, method = references_in(inputs)
        self.text = inputs["context"].shape[1]
        self.tokens = to_tokens(x, PATCH)
        self.count = self.tokens.shape[1]
        self.turns = rotations(_positions(x, self.text, references, method), AXES, THETA)
        kept = call.patches.kept_attention
        self.kept: KeptAttention | None = kept[-1] if kept and references else None
        if references and (self.kept is None or self.kept.recall(("double", 0)) is None):
            latents = [latent.expand(x.shape[0], -1, -1, -1) for latent in references]
            self.tokens = torch.cat([self.tokens, *(to_tokens(latent, PATCH) for latent in latents)], dim=1)
        is_clean = references and method == "index_timestep_zero"
        times = torch.stack([sigma, sigma * 0] if is_clean else [sigma], dim=1)
        self.time = _embed_time(module, times, inputs.get("guidance"), x.dtype)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, block: tuple[str, int]) -> Tensor:
        """Attention of [batch, tokens, heads, width] after turning; returns [batch, tokens, heads x width]."""
        q, k = rotate(q, self.turns[: q.shape[1]]), rotate(k, self.turns[: k.shape[1]])
        if self.kept is not None:
            known = self.kept.recall(block)
            if known is None:
                own = self.text + self.count
                self.kept.keep(block, k[:, own:].clone(), v[:, own:].clone())
            else:
                again = [side.repeat(-(-k.shape[0] // side.shape[0]), 1, 1, 1)[: k.shape[0]] for side in known]
                k, v = torch.cat([k, again[0]], dim=1), torch.cat([v, again[1]], dim=1)
        return current().mix(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)


def _embed_time(module: Any, times: Tensor, guidance: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The embedding of noise levels, [rows, levels], and of the guidance: [rows, levels, width]."""
    embed = module.time_guidance_embed
    time = torch.unflatten(embed.timestep_embedder(embed.time_proj(times.flatten() * 1000).to(dtype)), 0, times.shape)
    if guidance is not None and embed.guidance_embedder is not None:
        time = time + embed.guidance_embedder(embed.time_proj(guidance.float() * 1000).to(dtype))[:, None]
    return time


def _positions(x: Tensor, text: int, references: list[Tensor], method: ReferenceMethod) -> Tensor:
    """Layer, row, column and place in the text: of text, picture and references, [tokens, 4]."""
    text_places = torch.zeros(text, 4, device=x.device)
    text_places[:, 3] = torch.arange(text, device=x.device)
    corner = ReferencePosition(0, *grid_size(x, PATCH))
    beside = places(map(size_of, references), method, PATCH, LAYER_STEP, corner)
    pictures = [(x, ReferencePosition(0, 0, 0)), *zip(references, beside, strict=True)]
    return torch.cat([text_places, *(_grid(latent, place) for latent, place in pictures)])


def _grid(latent: Tensor, place: ReferencePosition) -> Tensor:
    grid = grid_positions(*grid_size(latent, PATCH), latent.device)
    grid += torch.tensor([place.row, place.column], device=latent.device)
    return torch.cat([torch.full_like(grid[:, :1], place.layer), grid, torch.zeros_like(grid[:, :1])], dim=1)


Modulations = tuple[Tensor, ...]


def _double(
    block: Any,
    image: Tensor,
    text: Tensor,
    of_image: Modulations,
    of_text: Modulations,
    call: _Pass,
    place: tuple[str, int],
) -> tuple[Tensor, Tensor]:
    """One ``Flux2TransformerBlock``: the picture's and the text's tokens, [batch, tokens, width], each."""
    shift_in, scale_in, gate_in, shift_out, scale_out, gate_out = of_image
    text_in, text_scale_in, text_gate_in, text_out, text_scale_out, text_gate_out = of_text
    count, attention = call.count, block.attn
    normed = modulated(block.norm1(image), shift_in, scale_in, count)
    normed_text = modulated(block.norm1_context(text), text_in, text_scale_in, count)
    q = torch.cat([attention.norm_added_q(_heads(attention.add_q_proj(normed_text))),
                   attention.norm_q(_heads(attention.to_q(normed)))], dim=1)  # fmt: skip
    k = torch.cat([attention.norm_added_k(_heads(attention.add_k_proj(normed_text))),
                   attention.norm_k(_heads(attention.to_k(normed)))], dim=1)  # fmt: skip
    v = torch.cat([_heads(attention.add_v_proj(normed_text)), _heads(attention.to_v(normed))], dim=1)
    mixed = call.attend(q, k, v, place)
    length = text.shape[1]
    image = gated(image, gate_in, attention.to_out[0](mixed[:, length:]), count)
    text = gated(text, text_gate_in, attention.to_add_out(mixed[:, :length]), count)
    image = gated(image, gate_out, block.ff(modulated(block.norm2(image), shift_out, scale_out, count)), count)
    widened = block.ff_context(modulated(block.norm2_context(text), text_out, text_scale_out, count))
    return image, _within_float16(gated(text, text_gate_out, widened, count))


def _single(block: Any, stream: Tensor, of_both: Modulations, call: _Pass, place: tuple[str, int]) -> Tensor:
    """One ``Flux2SingleTransformerBlock``: attention and feed-forward side by side."""
    shift, scale, gate = of_both
    attention, own = block.attn, call.text + call.count
    width = stream.shape[-1]
    joint = attention.to_qkv_mlp_proj(modulated(block.norm(stream), shift, scale, own))
    q, k, v = (_heads(part) for part in joint[..., : 3 * width].chunk(3, dim=-1))
    mixed = call.attend(attention.norm_q(q), attention.norm_k(k), v, place)
    both = torch.cat([mixed, attention.mlp_act_fn(joint[..., 3 * width :])], dim=-1)
    return _within_float16(gated(stream, gate, attention.to_out(both), own))


def _heads(tokens: Tensor) -> Tensor:
    return torch.unflatten(tokens, -1, (-1, HEAD_WIDTH))


def _within_float16(tokens: Tensor) -> Tensor:
    return tokens.clamp(-FLOAT16_MAX, FLOAT16_MAX) if tokens.dtype == torch.float16 else tokens
