"""The one attention of a VAE's middle block, over all pixels of the latent."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.kernels.sdpa import PLAIN_SCORES


class PixelAttention:
    """A diffusers attention processor: one head, whose projections are 1x1 convolutions as in the published networks.

    Few scores in float32 on the CPU are computed by plain products, for the reason that
    :func:`nodes.diffusion.kernels.sdpa.mix` gives; else by the fused kernel.
    """

    def __call__(self, attention: Any, hidden: Tensor, temb: None = None, **options: Any) -> Tensor:  # noqa: ARG002
        """``hidden``: float[batch, channels, height, width]; returns the same shape. There is no time to embed."""
        batch, channels, height, width = hidden.shape
        normed = attention.group_norm(hidden)
        q, k, v = (_project(layer, normed).flatten(2) for layer in (attention.to_q, attention.to_k, attention.to_v))
        scores = q[:, 0].numel() * k.shape[2]
        if hidden.device.type == "cpu" and hidden.dtype == torch.float32 and scores <= PLAIN_SCORES:
            weights = ((q.transpose(1, 2) @ k) * channels**-0.5).softmax(dim=2)
            mixed = v @ weights.transpose(1, 2)
        else:
            q, k, v = (side.transpose(1, 2)[:, None] for side in (q, k, v))
            mixed = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return hidden + _project(attention.to_out[0], mixed.reshape(batch, channels, height, width))


def _project(layer: Any, planes: Tensor) -> Tensor:
    return F.conv2d(planes, layer.weight[:, :, None, None], layer.bias)
