"""Packages with the calls of SageAttention's builds, which compute exactly; written as files, to be imported."""

from __future__ import annotations

from pathlib import Path

# Takes what version 1 takes, writes to the keys as it does, and fills the last block of keys with zeros as it does.
VERSION_1 = """
import torch
import torch.nn.functional as F

def sageattn(q, k, v, tensor_layout="HND", is_causal=False, sm_scale=None, smooth_k=True, **kwargs):
    assert q.size(-1) in (64, 96, 128) and q.stride(-1) == k.stride(-1) == v.stride(-1) == 1
    tokens = 1 if tensor_layout == "NHD" else 2
    k -= k.mean(dim=tokens, keepdim=True)
    if tensor_layout == "NHD":
        q, k, v = (side.transpose(1, 2) for side in (q, k, v))
    lacking = -k.size(2) % 64
    k, v = (F.pad(side, (0, 0, 0, lacking)) for side in (k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=sm_scale)
    return mixed.transpose(1, 2) if tensor_layout == "NHD" else mixed
"""

VERSION_2 = """
import torch
import torch.nn.functional as F

def sageattn(q, k, v, tensor_layout="HND", is_causal=False, sm_scale=None, return_lse=False, **kwargs):
    assert q.dtype in (torch.float16, torch.bfloat16) and q.dtype == k.dtype == v.dtype
    if q.size(-1) > 128:
        raise ValueError(f"Unsupported head_dim: {q.size(-1)}")
    if tensor_layout == "NHD":
        q, k, v = (side.transpose(1, 2) for side in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=sm_scale)
    return mixed.transpose(1, 2) if tensor_layout == "NHD" else mixed
"""

VERSION_3 = """
import torch
import torch.nn.functional as F

def sageattn3_blackwell(q, k, v, attn_mask=None, is_causal=False, per_block_mean=True, **kwargs):
    assert q.dtype in (torch.float16, torch.bfloat16) and q.size(-1) in (64, 128)
    k -= k.mean(dim=-2, keepdim=True)
    return F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
"""

BUILDS = {"1": ("sageattention", VERSION_1), "2": ("sageattention", VERSION_2), "3": ("sageattn3", VERSION_3)}


def write_build(folder: Path, build: str) -> None:
    """Put a package into ``folder``, which is to be on the path."""
    module, source = BUILDS[build]
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(source)
