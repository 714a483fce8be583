"""Builds a VAE around a file's tensors, its configuration read off their shapes."""

from __future__ import annotations

from engine.errors import ModelUnreadable
from nodes.diffusion.assembly import assemble
from nodes.diffusion.vae_module import Autoencoder, AutoencoderConfig
from nodes.diffusion.vae_names import diffusers_names
from nodes.diffusion.weights import WeightView


def build_vae(view: WeightView) -> Autoencoder:
    """An autoencoder around ``view``'s tensors (LDM's or diffusers' names), none of them copied.

    Raises ``ModelUnreadable`` where they are no such network's.
    """
    renamed = view.renamed({new: old for old, new in diffusers_names(view).items()})
    try:
        config = _read(renamed)
    except KeyError as error:
        message = f"'{view.file.path.name}' is not a complete VAE of the Stable Diffusion families: no tensor {error}"
        raise ModelUnreadable(message) from error
    return assemble(lambda: Autoencoder(config), renamed)


def _read(view: WeightView) -> AutoencoderConfig:
    levels = view.count("encoder.down_blocks")
    channels = tuple(view.shape(f"encoder.down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels))
    return AutoencoderConfig(
        in_channels=view.shape("encoder.conv_in.weight")[1],
        out_channels=view.shape("decoder.conv_out.weight")[0],
        latent_channels=view.shape("decoder.conv_in.weight")[1],
        block_out_channels=channels,
        layers_per_block=view.count("encoder.down_blocks.0.resnets"),
        mid_block_add_attention="encoder.mid_block.attentions.0.to_q.weight" in view,
        use_quant_conv="quant_conv.weight" in view,
        use_post_quant_conv="post_quant_conv.weight" in view,
    )
