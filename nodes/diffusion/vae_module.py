"""The KL autoencoder's parts, assembled from diffusers' encoder and decoder under its names.

diffusers' own ``AutoencoderKL`` has the same parts; with it come its loaders, which take 2 s to import.
"""

from __future__ import annotations

from dataclasses import dataclass

from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import Decoder, Encoder
from torch import Tensor, nn

from nodes.diffusion.vae_attention import PixelAttention


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """The dimensions of an autoencoder, named as in diffusers."""

    in_channels: int
    out_channels: int
    latent_channels: int
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    mid_block_add_attention: bool
    use_quant_conv: bool
    use_post_quant_conv: bool


class Autoencoder(nn.Module):
    """An encoder and a decoder, each with the convolution of one pixel beside it where its file has one."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.block_out_channels)
        both = {
            "block_out_channels": config.block_out_channels,
            "layers_per_block": config.layers_per_block,
            "mid_block_add_attention": config.mid_block_add_attention,
        }
        latent = config.latent_channels
        self.encoder = Encoder(config.in_channels, latent, down_block_types=("DownEncoderBlock2D",) * levels, **both)
        self.decoder = Decoder(latent, config.out_channels, up_block_types=("UpDecoderBlock2D",) * levels, **both)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1) if config.use_quant_conv else nn.Identity()
        self.post_quant_conv = nn.Conv2d(latent, latent, 1) if config.use_post_quant_conv else nn.Identity()
        for part in self.modules():
            if isinstance(part, Attention):
                part.set_processor(PixelAttention())

    def encode(self, planes: Tensor) -> Tensor:
        """Planes in -1..1, float[batch, channels, height, width], to the mean of the posterior."""
        mean: Tensor = self.quant_conv(self.encoder(planes)).chunk(2, dim=1)[0]
        return mean

    def decode(self, samples: Tensor) -> Tensor:
        """Latents, float[batch, channels, h, w], to planes in -1..1."""
        planes: Tensor = self.decoder(self.post_quant_conv(samples))
        return planes
