"""Wan's transformer: a film's tokens attend to each other and to the prompt's; https://arxiv.org/abs/2503.20314."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.films import film_turns, patches_of, time_waves, to_film
from nodes.diffusion.parameterization import flow
from nodes.diffusion.tokens import padded
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.wan import FAMILY
from nodes.families.wan.blocks import BlockInputs, modulated
from nodes.families.wan.faces import EVERY, POSE, motions_of
from nodes.families.wan.names import name_map
from nodes.families.wan.network import CAMERA, HEAD_WIDTH, PATCH, PICTURE, REFERENCE, VACE, build
from nodes.families.wan.spaces import SPACE, SPACE_22
from nodes.hooks import Call, HookSite
from nodes.values import Model

SHIFT = 8.0
AXES = (HEAD_WIDTH - 4 * (HEAD_WIDTH // 6), 2 * (HEAD_WIDTH // 6), 2 * (HEAD_WIDTH // 6))
THETA = 10000.0


@dataclass(frozen=True, slots=True)
class WanVariant:
    """``context_width``: of the encoded prompts. ``channels``: that the network gets, noise included.

    ``reads_pictures``: as an encoder of pictures sees them; ``masked``: whether a mask goes before the picture's
    channels where there is room for one. ``has_vace``, ``has_reference``, ``has_camera``, ``has_faces``: which parts
    it has.
    """

    context_width: int
    channels: int
    reads_pictures: bool
    masked: bool
    has_vace: bool = False
    has_reference: bool = False
    has_camera: bool = False
    has_faces: bool = False


def load(view: WeightView) -> Model:
    """The model in ``view``; its parts and its channels tell which of the variants it is."""
    channels = view.shape("patch_embedding.weight")[1]
    drawn = view.shape("head.head.weight")[0] // PATCH**2
    # Wan 2.2's 5B model has a space of its own, and is shown what a mask keeps without noise.
    is_5b = drawn == SPACE_22.channels
    variant = WanVariant(
        context_width=view.shape("text_embedding.0.weight")[1],
        channels=channels,
        reads_pictures=PICTURE in view,
        masked=channels - drawn != drawn and CAMERA not in view,
        has_vace=VACE in view,
        has_reference=REFERENCE in view,
        has_camera=CAMERA in view,
        has_faces=POSE in view,
    )
    weights = weights_of("wan", view, lambda: build(view), name_map)
    space = SPACE_22 if is_5b else SPACE
    return Model(weights, FAMILY, flow(SHIFT), space, variant, keeps_clean=is_5b)


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - film) of ``x``, [rows, channels, frames, height, width], of any size.

    ``inputs``, as :mod:`nodes.families.wan.sampling` makes them: ``context``, and by variant ``beside`` (channels after
    the noisy ones), ``seen`` (a picture, encoded), ``noisy`` (how much of each frame is denoised), ``reference``,
    ``behind`` (frames after the film's own), ``camera``, ``vace`` with ``vace_strength``, ``pose`` and ``faces``.
    """
    weight = module.patch_embedding.weight
    given = {name: beside(weight, value) for name, value in inputs.items()}
    size, x = x.shape, padded(beside(weight, x), PATCH)
    tokens, grid = _embedded(module, x, given)
    if (faces := given.get("faces")) is not None:
        given["motions"] = motions_of(module, faces, grid[0])
    if (reference := given.get("reference")) is not None:
        tokens = torch.cat([module.ref_conv(reference).flatten(2).transpose(1, 2), tokens], dim=1)
    time = _time(module, timestep, given.get("noisy"), tokens.dtype)
    context, seen = _context(module, given)
    frames = grid[0] + (reference is not None)
    block = BlockInputs(
        torch.unflatten(module.condition_embedder.time_proj(torch.nn.functional.silu(time)), -1, (6, -1)),
        film_turns((frames, *grid[1:]), AXES, THETA, tokens.device),
        seen,
    )
    tokens = _through_blocks(
        module, tokens, context, block, given, HookSite("double", 0, 0, (size[3], size[4]), call.rows, call.sigma), call
    )
    shift, scale = (module.scale_shift_table[:, None] + time[:, :, None]).unbind(2)
    tokens = module.proj_out(modulated(module.norm_out(tokens), shift, scale))
    if reference is not None:
        tokens = tokens[:, -grid[0] * grid[1] * grid[2] :]
    return to_film(tokens, grid, PATCH)[:, :, : size[2], : size[3], : size[4]]


def _embedded(module: Any, x: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, tuple[int, int, int]]:
    """Tokens of the film with all that stands beside and behind it, and the grid that they are on."""
    if (more := given.get("beside")) is not None:
        x = torch.cat([x, padded(more, PATCH)], dim=1)
    if (behind := given.get("behind")) is not None:
        x = torch.cat([x, padded(behind, PATCH)], dim=2)
    planes = patches_of(module.patch_embedding, x)
    if (rays := given.get("camera")) is not None:
        planes = planes + module.control_adapter(rays)
    if (pose := given.get("pose")) is not None:  # the first step is a reference's
        led = patches_of(module.pose_patch_embedding, padded(pose, PATCH))[:, :, : planes.shape[2] - 1]
        planes = torch.cat(
            [planes[:, :, :1], planes[:, :, 1 : led.shape[2] + 1] + led, planes[:, :, led.shape[2] + 1 :]], dim=2
        )
    frames, rows, columns = planes.shape[2:]
    return planes.flatten(2).transpose(1, 2), (frames, rows, columns)


def _time(module: Any, timestep: Tensor, noisy: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The embedding of the time, [rows, 1 or frames, width]: of each frame, where some are kept."""
    embed = module.condition_embedder
    times = timestep[:, None] if noisy is None else noisy * timestep[:, None]
    waves = time_waves(times.to(module.patch_embedding.weight.device), embed.timesteps_proj.num_channels)
    made: Tensor = embed.time_embedder(waves.to(dtype))
    return made


def _context(module: Any, given: Mapping[str, Any]) -> tuple[Tensor, int]:
    """What the film attends to, [rows, tokens, width], and how many of these tokens are a picture's."""
    context = module.condition_embedder.text_embedder(given["context"])
    if (seen := given.get("seen")) is None or module.condition_embedder.image_embedder is None:
        return context, 0
    embed = module.condition_embedder.image_embedder
    if embed.pos_embed is not None:
        known = embed.pos_embed.shape[1]
        seen = seen[:, :known] + embed.pos_embed[:, : seen.shape[1]]
    picture = embed.norm2(embed.ff(embed.norm1(seen)))
    return torch.cat([picture, context], dim=1), picture.shape[1]


def _through_blocks(
    module: Any,
    tokens: Tensor,
    context: Tensor,
    block: BlockInputs,
    given: Mapping[str, Any],
    site: HookSite,
    call: Call,
) -> Tensor:
    best = current().best(BlockInputs.run)
    hints = _hints(module, given, tokens)
    strengths = given.get("vace_strength", ())
    stride = len(module.blocks) // len(module.vace_blocks) if hints else 0
    first, motions = tokens, given.get("motions")
    for number, layer in enumerate(module.blocks):

        def run(state: State, layer: Any = layer) -> State:
            return {**state, "image": best(block, layer, state["image"], state["text"])}

        here = HookSite(site.stage, number, 0, site.latent_px, site.rows, site.sigma)
        state = through(call.patches.around_block, run, {"image": tokens, "text": context}, here)
        tokens, context = state["image"], state["text"]
        if hints and number % stride == 0 and number // stride < len(module.vace_blocks):
            own = module.vace_blocks[number // stride]
            hints = [
                best(block, own, own.before_proj(hint) + first if number == 0 else hint, context) for hint in hints
            ]
            for hint, strength in zip(hints, strengths, strict=True):
                tokens = tokens + own.after_proj(hint) * strength
        if motions is not None and number % EVERY == 0:
            tokens = tokens + module.face_adapter[number // EVERY](tokens, motions)
    return tokens


def _hints(module: Any, given: Mapping[str, Any], tokens: Tensor) -> list[Tensor]:
    """Tokens of each of VACE's contexts, [rows, tokens, width]."""
    if (contexts := given.get("vace")) is None:
        return []
    return [
        patches_of(module.vace_patch_embedding, padded(each, PATCH)).flatten(2).transpose(1, 2)
        for each in contexts.unbind(1)
    ]
