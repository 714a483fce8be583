"""LTX-2's transformer: a film's cells and its sound attend to themselves, to each other and to the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion import nested
from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.diffusion.parameterization import flux_flow
from nodes.diffusion.transformers import beside, weights_of
from nodes.diffusion.weights import WeightView
from nodes.families.ltx.blocks import Times
from nodes.families.ltx.denoiser import MU, cells_of, noise_levels, places_of, tokens_there, weights_in
from nodes.families.ltx.header import described
from nodes.families.ltx.places import turns
from nodes.families.ltx2 import FAMILY
from nodes.families.ltx2.blocks import FilmAndSound, FilmSide
from nodes.families.ltx2.connectors import connected
from nodes.families.ltx2.names import name_map
from nodes.families.ltx2.network import LTX2Variant, build, variant_of
from nodes.families.ltx2.sound import places_of_sound
from nodes.families.ltx2.spaces import SPACE
from nodes.hooks import Call, HookSite
from nodes.values import Model


def load(view: WeightView) -> Model:
    """The model in ``view``, built as the header of its file describes it."""
    config = described(view, "transformer")
    weights = weights_of("ltx2", view, lambda: build(view, config), name_map)
    return Model(weights, FAMILY, flux_flow(MU), SPACE, variant_of(view, config), keeps_clean=True)


def step(module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
    """The velocity (noise - film and sound) of ``x``, packed, or of a film alone.

    ``inputs``: as those of :func:`nodes.families.ltx.denoiser.step`, and ``noisy_sound``, how much of each of its
    tokens is denoised.
    """
    weight, variant = module.proj_in.weight, inputs["variant"]
    film, *others = nested.unpack(x, call.shapes)
    there = tokens_there(inputs)
    contexts = _contexts(module, inputs, variant)
    ends = _ends(timestep, inputs, weight.device)
    levels = noise_levels(timestep, inputs.get("noisy"), weight.device)
    levels = (levels[0], None if levels[1] is None else levels[1][:, there])
    embedded, times = _times(module.time_embed, levels, variant.per_sigma, weight.dtype)
    places = places_of(film, inputs, variant.causal)[:, :, there]
    shown = _stream(module, "video", times, levels, ends, variant, places)
    tokens = module.proj_in(beside(weight, film).flatten(2).transpose(1, 2)[:, there])
    if not others:
        streams = FilmAndSound(shown, None, variant.split, weights_in(inputs))
        tokens, _ = _through_blocks(module, streams, tokens, tokens[:, :0], contexts, call, film)
        return cells_of(_projected(module, "", tokens, embedded, levels), there, film.shape[2:])
    sound = others[0]
    sound_levels = noise_levels(timestep, inputs.get("noisy_sound"), weight.device)
    sound_embedded, sound_times = _times(module.audio_time_embed, sound_levels, variant.per_sigma, weight.dtype)
    sound_places = places_of_sound(sound.shape[2], weight.device)
    heard = _stream(module, "audio", sound_times, sound_levels, ends[::-1], variant, sound_places)
    streams = FilmAndSound(shown, heard, variant.split, weights_in(inputs))
    sound_tokens = module.audio_proj_in(beside(weight, sound).transpose(1, 2).flatten(2))
    tokens, sound_tokens = _through_blocks(module, streams, tokens, sound_tokens, contexts, call, film)
    made = cells_of(_projected(module, "", tokens, embedded, levels), there, film.shape[2:])
    rows = _projected(module, "audio_", sound_tokens, sound_embedded, sound_levels)
    return nested.pack([made, torch.unflatten(rows, 2, (sound.shape[1], -1)).transpose(1, 2)])


Levels = tuple[Tensor, Tensor | None]
"""See :func:`nodes.families.ltx.denoiser.noise_levels`."""


def _times(embed: Any, levels: Levels, scale: float, dtype: torch.dtype) -> tuple[Tensor, Times]:
    """The embedding of each level, and what modulates each token."""
    parts, embedded = embed(levels[0] * scale, hidden_dtype=dtype)
    return embedded, Times(torch.unflatten(parts, -1, (-1, embedded.shape[-1])), levels[1])


def _ends(timestep: Tensor, inputs: Mapping[str, Any], device: torch.device) -> tuple[Tensor, Tensor]:
    """The highest level among the film's tokens, and among its sound's: [rows] each."""
    times = timestep.to(device)
    found = []
    for name in ("noisy", "noisy_sound"):
        noisy = inputs.get(name)
        found.append(times if noisy is None else times * noisy.flatten(1).amax(dim=1).to(device))
    return found[0], found[1]


def _stream(
    module: Any,
    which: str,
    times: Times,
    levels: Levels,
    ends: tuple[Tensor, Tensor],
    variant: LTX2Variant,
    places: Tensor,
) -> FilmSide:
    """What blocks are given of one side.

    ``ends``: the highest levels of this side and of the other; ``places``: float32[rows, axes, tokens, 2], where tokens
    begin and end.
    """
    dtype, is_film = times.levels.dtype, which == "video"
    attention = module.transformer_blocks[0].attn1 if is_film else module.transformer_blocks[0].audio_attn1
    crossing = module.transformer_blocks[0].audio_to_video_attn
    prompt = getattr(module, "prompt_adaln" if is_film else "audio_prompt_adaln", None)
    gate = module.av_cross_attn_video_a2v_gate if is_film else module.av_cross_attn_audio_v2a_gate
    sides = getattr(module, f"av_cross_attn_{which}_scale_shift")
    limits = variant.limits if is_film else (variant.sound_limit,)
    middle = places.mean(dim=-1)
    return FilmSide(
        times,
        None if prompt is None else _times(prompt, (ends[0], None), variant.per_sigma, dtype)[1],
        _times(sides, levels, variant.per_sigma, dtype)[1],
        _times(gate, (ends[1], None), variant.per_crossing, dtype)[1],
        turns(
            middle if variant.middle else places[..., 0],
            limits,
            variant.theta,
            attention.inner_dim,
            attention.heads,
            precise=True,
        ),
        turns(
            middle[:, :1],
            (max(variant.limits[0], variant.sound_limit),),
            variant.theta,
            crossing.inner_dim,
            crossing.heads,
            precise=True,
        ),
    )


def _contexts(module: Any, inputs: Mapping[str, Any], variant: LTX2Variant) -> tuple[Tensor, Tensor]:
    """What the film and its sound read of the prompt."""
    context, mask = beside(module.proj_in.weight, inputs["context"]), inputs.get("context_mask")
    apart = variant.apart
    parts = (context[..., :apart], context[..., apart:]) if apart else (context, context)
    read = [
        connected(connector, part, mask, theta=variant.theta, split=variant.split)
        for connector, part in zip(
            (module.video_embeddings_connector, module.audio_embeddings_connector), parts, strict=True
        )
    ]
    if apart:
        return read[0], read[1]
    return module.caption_projection(read[0]), module.audio_caption_projection(read[1])


def _projected(module: Any, name: str, tokens: Tensor, embedded: Tensor, levels: Levels) -> Tensor:
    table = getattr(module, f"{name}scale_shift_table")
    shift, scale = Times(embedded[:, None], levels[1]).parts(table)
    norm, project = getattr(module, f"{name}norm_out"), getattr(module, f"{name}proj_out")
    made: Tensor = project(torch.addcmul(shift, norm(tokens), 1 + scale))
    return made


def _through_blocks(
    module: Any,
    streams: FilmAndSound,
    film: Tensor,
    sound: Tensor,
    contexts: tuple[Tensor, Tensor],
    call: Call,
    latent: Tensor,
) -> tuple[Tensor, Tensor]:
    best = current().best(FilmAndSound.run)
    context, sound_context = contexts
    for number, layer in enumerate(module.transformer_blocks):

        def run(state: State, layer: Any = layer) -> State:
            made, heard = best(streams, layer, state["image"], state["sound"], state["text"], sound_context)
            return {**state, "image": made, "sound": heard}

        here = HookSite("double", number, 0, (latent.shape[3], latent.shape[4]), call.rows, call.sigma)
        state = through(call.patches.around_block, run, {"image": film, "text": context, "sound": sound}, here)
        film, context, sound = state["image"], state["text"], state["sound"]
    return film, sound
