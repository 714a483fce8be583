"""Torch's scaled dot product attention, and the plain products that it is on a CPU where they are few."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PLAIN_SCORES = 2**22


def mix(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot product attention of [batch, heads, tokens, head width], without a mask.

    Where the scores are few and in float32 on the CPU, they are computed by plain matrix products: fused kernels gain
    nothing there, and ComfyUI's pictures come out to the last bit. Networks with sharp attention amplify rounding so
    much that any other order of operations gives them another picture.
    """
    if torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(queries, keys, values)
    scores = queries.shape[:-1].numel() * keys.shape[-2]
    if queries.device.type != "cpu" or queries.dtype != torch.float32 or scores > PLAIN_SCORES:
        return F.scaled_dot_product_attention(queries, keys, values)
    batch, _, _, width = queries.shape
    q, v = (side.flatten(0, 1) for side in (queries, values))
    k = keys.transpose(-1, -2).flatten(0, 1)
    weights = torch.baddbmm(q.new_empty(1, 1, 1), q, k, beta=0, alpha=width**-0.5).softmax(dim=-1)
    return torch.bmm(weights, v).view(batch, -1, *queries.shape[-2:])


def biased(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """As :func:`mix`, with ``bias``, [1 or batch, queries, keys], added to the scores of every head."""
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias[:, None].to(queries))
