"""Small pictures of an unfinished latent, for whoever watches a run: by a tiny decoder, or by a linear map."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from diffusers.models.autoencoders.vae import DecoderTiny
from torch import Tensor, nn

from engine.context import Context
from engine.errors import DagfusionError
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.latent_space import LatentSpace

log = logging.getLogger(__name__)

FOLDER = "vae_approx"
SUFFIXES = (".safetensors", ".sft")
MAX_SIDE_PX = 512

Previewer = Callable[[Tensor], Tensor]
"""A latent in the denoiser's scale, float[batch, channels, h, w] -> its first picture, uint8[height, width, 3]."""


def previewer(ctx: Context, space: LatentSpace, leases: ExitStack) -> Previewer:
    """How latents of this format are shown: decoded, where a decoder file is in ``vae_approx``, else mapped.

    The decoder stays loaded while ``leases`` is open. One that cannot be read is logged and done without.
    """
    path = _decoder_file(ctx, space) if ctx.previews else None
    if path is not None:
        try:
            decoder = leases.enter_context(ctx.models.lease(decoder_weights(path)))
        except DagfusionError as error:
            log.warning("no decoded previews: %s", error)
        else:
            return lambda latent: _decoded(decoder, latent, space)
    return lambda latent: space.preview(latent[0])


def decoder_weights(path: Path) -> Weights:
    """TAESD's decoder (https://github.com/madebyollin/taesd) in a safetensors file with its author's names.

    Raises ``ModelUnreadable`` where the file is something else.
    """
    file = WeightFile(path)
    view = file.view("taesd_decoder.", "decoder.layers.", "decoder.", "")
    # Its author counts the clamp that comes before the first convolution; diffusers' module does not.
    shift = 0 if "0.weight" in view else 1
    numbered = {name: name.partition(".") for name in view if name[:1].isdigit()}
    renamed = view.renamed({f"layers.{int(n) - shift}.{rest}": name for name, (n, _, rest) in numbered.items()})
    return Weights(f"taesd:{content_key(renamed)}", lambda: _build(renamed), path.name, release=file.release)


def _build(view: WeightView) -> nn.Module:
    width, channels = view.shape("layers.0.weight")[:2] if "layers.0.weight" in view else (64, 4)

    def make() -> nn.Module:
        module: nn.Module = DecoderTiny(channels, 3, (3, 3, 3, 1), (width,) * 4, 2, "relu", "nearest")
        return module

    return assemble(make, view)


def _decoder_file(ctx: Context, space: LatentSpace) -> Path | None:
    wanted = {space.approx_decoder + suffix for suffix in SUFFIXES}
    name = next((name for name in ctx.folders.files(FOLDER) if Path(name).name in wanted), None)
    return None if name is None else ctx.folders.find(FOLDER, name)


def _decoded(decoder: nn.Module, latent: Tensor, space: LatentSpace) -> Tensor:
    parameter = next(decoder.parameters())
    side = MAX_SIDE_PX // space.factors[2]
    latent = (latent[:1, :, latent.shape[2] // 2] if latent.ndim == 5 else latent[:1]).to(
        parameter.device, parameter.dtype
    )
    if max(latent.shape[-2:]) > side:
        latent = nn.functional.interpolate(latent, scale_factor=side / max(latent.shape[-2:]), mode="area")
    with torch.no_grad():
        picture: Tensor = decoder(latent)[0].float()
    levels = ((picture + 1) / 2 * 255).nan_to_num(0).clamp(0, 255).round()
    return levels.to(torch.uint8).movedim(0, -1).cpu()
