"""The networks of LTX's video VAE, built of diffusers' layers in the order that a file's header gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import (
    LTXVideoCausalConv3d,
    LTXVideoDownsampler3d,
    LTXVideoMidBlock3d,
    LTXVideoResnetBlock3d,
    LTXVideoUpsampler3d,
)
from diffusers.models.embeddings import PixArtAlphaCombinedTimestepSizeEmbeddings
from torch import Tensor, nn

from engine.errors import ModelUnreadable

NORM_EPSILON = 1e-8
_STRIDES = {"compress_all": (2, 2, 2), "compress_space": (1, 2, 2), "compress_time": (2, 1, 1)}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an encoder or a decoder: its ``kind`` under the authors' name for it, and what it is made with."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, described: Sequence[Any]) -> Part:
        """Of the pair that a header has: a name, and options or the number of layers."""
        kind, options = described
        return cls(kind, options if isinstance(options, Mapping) else {"num_layers": options})

    def multiplier(self, default: int) -> int:
        """By how much it changes the number of channels."""
        return int(self.options.get("multiplier", default))

    @property
    def stride(self) -> tuple[int, int, int]:
        """Frames, rows and columns that become one, or the other way round. Raises ``ModelUnreadable``."""
        name = self.kind.removesuffix("_res").removesuffix("_x_y")
        if name not in _STRIDES:
            raise ModelUnreadable(
                f"this video VAE has a part '{self.kind}', which is not known here", remedy="take another version of it"
            )
        return _STRIDES[name]


class FilmEncoder(nn.Module):
    """Films to latents: [batch, 3, frames, height, width] to [batch, latent channels, ...], the mean alone."""

    def __init__(self, parts: Sequence[Part], width: int, channels: int, latents: int, patch: int, spread: int) -> None:
        super().__init__()
        self.patch, self.latents = patch, latents
        self.conv_in = LTXVideoCausalConv3d(channels * patch**2, width, 3)
        self.down_blocks = nn.ModuleList()
        for part in parts:
            block, width = _narrowing(part, width)
            self.down_blocks.append(block)
        self.conv_out = LTXVideoCausalConv3d(width, latents + spread, 3)

    def forward(self, film: Tensor) -> Tensor:
        hidden = self.conv_in(patched(film, self.patch))
        for block in self.down_blocks:
            hidden = block(hidden)
        made: Tensor = self.conv_out(nn.functional.silu(_normed(hidden)))
        return made[:, : self.latents]


class FilmDecoder(nn.Module):
    """Latents to films; ``conditioned``: it is told how much noise it is to expect."""

    def __init__(
        self,
        parts: Sequence[Part],
        base: int,
        channels: int,
        latents: int,
        patch: int,
        *,
        causal: bool,
        conditioned: bool,
    ) -> None:
        super().__init__()
        self.patch = patch
        width = base * math.prod(_widening(part) for part in parts)
        self.conv_in = LTXVideoCausalConv3d(latents, width, 3, is_causal=causal)
        self.up_blocks = nn.ModuleList()
        for part in reversed(parts):
            block, width = _enlarging(part, width, causal=causal, conditioned=conditioned)
            self.up_blocks.append(block)
        self.conv_out = LTXVideoCausalConv3d(width, channels * patch**2, 3, is_causal=causal)
        self.last_time_embedder = None
        if conditioned:
            self.timestep_scale_multiplier = nn.Parameter(torch.empty(()))
            self.last_time_embedder = PixArtAlphaCombinedTimestepSizeEmbeddings(width * 2, 0)
            self.last_scale_shift_table = nn.Parameter(torch.empty(2, width))

    def forward(self, latents: Tensor, level: float, source: torch.Generator) -> Tensor:
        hidden = self.conv_in(latents)
        time = None
        if self.last_time_embedder is not None:
            time = torch.full((len(latents),), level).to(hidden) * self.timestep_scale_multiplier
        for block in self.up_blocks:
            hidden = block(hidden, time, source) if isinstance(block, LTXVideoMidBlock3d) else block(hidden)
        hidden = _normed(hidden)
        if self.last_time_embedder is not None and time is not None:
            known = self.last_time_embedder(time, None, None, len(latents), hidden.dtype)
            moved = torch.unflatten(known, 1, (2, -1)) + self.last_scale_shift_table
            shift, scale = moved[..., None, None, None].unbind(1)
            hidden = hidden * (1 + scale) + shift
        return unpatched(self.conv_out(nn.functional.silu(hidden)), self.patch)


class FilmAutoencoder(nn.Module):
    """Both, with the means and deviations of latents, [channels] each."""

    def __init__(self, encoder: FilmEncoder, decoder: FilmDecoder, latents: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.means = nn.Parameter(torch.empty(latents))
        self.deviations = nn.Parameter(torch.empty(latents))


def patched(film: Tensor, patch: int) -> Tensor:
    """[batch, channels, frames, H, W] to [batch, channels x columns x rows, frames, H / patch, W / patch]."""
    rows, columns = film.shape[-2] // patch, film.shape[-1] // patch
    cells = film.reshape(*film.shape[:3], rows, patch, columns, patch)
    return cells.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)


def unpatched(film: Tensor, patch: int) -> Tensor:
    """The inverse of :func:`patched`."""
    cells = torch.unflatten(film, 1, (-1, patch, patch)).permute(0, 1, 4, 5, 3, 6, 2)
    return cells.flatten(5).flatten(3, 4)


def pad_by(mode: Any, network: nn.Module) -> None:
    """Have all convolutions of ``network`` pad pictures by ``mode``, one of torch's."""
    for part in network.modules():
        if isinstance(part, nn.Conv3d):
            part.padding_mode = mode


def _normed(hidden: Tensor) -> Tensor:
    """Each cell's channels brought to a mean square of 1."""
    return hidden * torch.rsqrt(hidden.square().mean(dim=1, keepdim=True) + NORM_EPSILON)


def _narrowing(part: Part, width: int) -> tuple[nn.Module, int]:
    """A part of an encoder, and the channels that leave it."""
    if part.kind == "res_x":
        return LTXVideoMidBlock3d(width, num_layers=part.options["num_layers"]), width
    if part.kind == "res_x_y":
        wider = width * part.multiplier(2)
        return LTXVideoResnetBlock3d(width, wider), wider
    if part.kind.endswith("_res"):
        wider = width * part.multiplier(2)
        return LTXVideoDownsampler3d(width, wider, part.stride), wider
    wider = width * part.multiplier(2) if part.kind.endswith("_x_y") else width
    return LTXVideoCausalConv3d(width, wider, 3, stride=part.stride), wider


def _enlarging(part: Part, width: int, *, causal: bool, conditioned: bool) -> tuple[nn.Module, int]:
    """A part of a decoder, and the channels that leave it."""
    noisy = bool(part.options.get("inject_noise", False))
    if part.kind == "res_x":
        block = LTXVideoMidBlock3d(
            width,
            num_layers=part.options["num_layers"],
            is_causal=causal,
            inject_noise=noisy,
            timestep_conditioning=conditioned,
        )
        return block, width
    if part.kind == "res_x_y":
        narrower = width // part.multiplier(2)
        return LTXVideoResnetBlock3d(width, narrower, is_causal=causal, inject_noise=noisy), narrower
    residual = part.kind == "compress_all" and bool(part.options.get("residual", False))
    factor = part.multiplier(1)
    return LTXVideoUpsampler3d(width, part.stride, causal, residual, factor), width // factor


def _widening(part: Part) -> int:
    if part.kind == "res_x":
        return 1
    return part.multiplier(2 if part.kind == "res_x_y" else 1)
