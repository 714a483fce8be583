"""A start for the autoencoder: it shrinks by averaging and enlarges by repeating, and training adds what is missing.

From PyTorch's own initial weights such a narrow autoencoder hardly learns: GroupNorm of 32 groups over 64 channels
leaves two channels a group, and taking out each group's mean and spread takes out how bright a plain picture is.
"""

import torch
from torch import Tensor, nn

COLOUR = (0, 2, 4)  # the channels that carry red, green and blue through the residual stream


@torch.no_grad()
def _add_carriers(resnet: nn.Module, norm: nn.Module, reader: nn.Module, strength: float) -> None:
    """Makes every second channel before a group norm a fixed frame around the picture, much stronger than the signal.

    A loud neighbour that is always the same makes mean and spread of the group nearly constant, so the norm lets colour
    through. The frame is the response of a kernel of sum 0 to a constant at zero padding.
    """
    kernel = torch.full((3, 3), -1.0)
    kernel[1, 1] = 8.0
    resnet.norm2.weight[0], resnet.norm2.bias[0] = 0.0, 3.0  # a constant for the kernel to read
    for carrier in range(1, len(norm.weight), 2):
        resnet.conv2.weight[carrier] = 0
        resnet.conv2.weight[carrier, 0] = kernel * strength
        reader.weight[:, carrier] = 0
        norm.weight[carrier - 1] = 6.0  # the signal comes out of the norm small


@torch.no_grad()
def _pass_colour(module: nn.Module) -> None:
    """Every convolution of the residual stream passes the colour channels on; every branch leaves them alone."""
    for name, part in module.named_modules():
        if name.endswith(("conv2", "to_out.0")):
            part.weight[list(COLOUR)] = 0
            part.bias[list(COLOUR)] = 0
        elif name.endswith("conv_shortcut") or ("samplers" in name and isinstance(part, nn.Conv2d)):
            for channel in COLOUR:
                part.weight[channel], part.bias[channel] = 0, 0
                if name.endswith("conv_shortcut"):
                    part.weight[channel, channel] = 1
                elif "down" in name:
                    part.weight[channel, channel, :2, :2] = 0.25  # padded below and to the right: a 2x2 mean
                else:
                    part.weight[channel, channel, 1, 1] = 1


@torch.no_grad()
def _calibrate(vae: nn.Module, pictures: Tensor) -> None:
    """Scales the last convolutions on real pictures: latents of spread 1, and colours by the best straight line."""
    hidden = vae.encoder(pictures)[:, :4]
    mean, spread = hidden.mean((0, 2, 3)), hidden.std((0, 2, 3)) + 1e-3
    vae.encoder.conv_out.weight[:4] /= spread[:, None, None, None]
    vae.encoder.conv_out.bias[:4] = (vae.encoder.conv_out.bias[:4] - mean) / spread
    vae.encoder.conv_out.weight[4:], vae.encoder.conv_out.bias[4:] = 0, 0
    found = vae.decode(vae.encode(pictures).latent_dist.mean).sample
    for channel in range(3):
        x, y = found[:, channel].flatten(), pictures[:, channel].flatten()
        slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
        vae.decoder.conv_out.weight[channel] *= slope
        vae.decoder.conv_out.bias[channel] = slope * (vae.decoder.conv_out.bias[channel] - x.mean()) + y.mean()


@torch.no_grad()
def prepare(vae: nn.Module, pictures: Tensor) -> None:
    """Changes a fresh AutoencoderKL in place; `pictures` float[B, 3, H, W] in [-1, 1] set the scales."""
    encoder, decoder = vae.encoder, vae.decoder
    _pass_colour(encoder)
    _pass_colour(decoder)
    for side, resnet, strength, gain in (
        (encoder, encoder.mid_block.resnets[1], 2.0, 3.0),
        (decoder, decoder.up_blocks[-1].resnets[1], 8.0, 2.0),
    ):
        _add_carriers(resnet, side.conv_norm_out, side.conv_out, strength)
        side.conv_out.weight *= 0.1
        side.conv_out.bias.zero_()
        for place, channel in enumerate(COLOUR):
            side.conv_in.weight[channel], side.conv_in.bias[channel] = 0, 0
            side.conv_in.weight[channel, place, 1, 1] = 1
            side.conv_norm_out.bias[channel] = 3.0  # where SiLU is nearly straight
            side.conv_out.weight[place] = 0
            side.conv_out.weight[place, channel, 1, 1] = gain
            side.conv_out.bias[place] = -2.86 * gain
    for conv, rows in ((vae.quant_conv, 8), (vae.post_quant_conv, 4)):
        conv.weight.zero_()
        conv.bias.zero_()
        for row in range(rows):
            conv.weight[row, row, 0, 0] = 1
    vae.quant_conv.bias[4:] = -4.0  # log variances: little noise at first
    _calibrate(vae, pictures)
