"""Wan's transformer as diffusers has it, with the parts that variants add to it; dimensions are read off the shapes."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock
from torch import Tensor, nn

from nodes.diffusion.weights import WeightView
from nodes.families.wan.faces import POSE, add_faces

HEAD_WIDTH = 128
PATCH = 2
EPSILON = 1e-6
NORM = "rms_norm_across_heads"
CAMERA_FACTOR = 8
"""Pixels along each side that a cell of the latent stands for, in the rays of a camera."""

PICTURE = "img_emb.proj.1.weight"
POSITIONS = "img_emb.emb_pos"
REFERENCE = "ref_conv.weight"
CAMERA = "control_adapter.conv.weight"
VACE = "vace_patch_embedding.weight"


class VaceBlock(WanTransformerBlock):  # type: ignore[misc]
    """A block of VACE's own (https://arxiv.org/abs/2503.07598): what leaves it goes to the network's block too."""

    def __init__(self, width: int, feed_forward: int, picture: int | None, *, first: bool) -> None:
        super().__init__(width, feed_forward, width // HEAD_WIDTH, NORM, True, EPSILON, picture)
        if first:
            self.before_proj = nn.Linear(width, width)
        self.after_proj = nn.Linear(width, width)


class CameraBlock(nn.Module):
    """A residual block of the camera's adapter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``x``: float[frames, width, rows, columns]; the same shape."""
        found: Tensor = x + self.conv2(torch.relu(self.conv1(x)))
        return found


class CameraAdapter(nn.Module):
    """Rays of a camera to what is added to the film's tokens: float[rows, 24, frames, height, width] of the picture's
    size to [rows, width, frames, rows of tokens, columns].
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, PATCH, stride=PATCH)
        self.residual_blocks = nn.Sequential(*(CameraBlock(width) for _ in range(blocks)))

    def forward(self, rays: Tensor) -> Tensor:
        frames = nn.functional.pixel_unshuffle(rays.movedim(2, 1).flatten(0, 1), CAMERA_FACTOR)
        planes: Tensor = self.residual_blocks(self.conv(frames))
        return torch.unflatten(planes, 0, (rays.shape[0], -1)).movedim(1, 2)


def configuration(view: WeightView) -> dict[str, Any]:
    """What ``WanTransformer3DModel`` is made with."""
    width, channels = view.shape("patch_embedding.weight")[:2]
    return {
        "patch_size": (1, PATCH, PATCH),
        "num_attention_heads": width // HEAD_WIDTH,
        "attention_head_dim": HEAD_WIDTH,
        "in_channels": channels,
        "out_channels": view.shape("head.head.weight")[0] // PATCH**2,
        "text_dim": view.shape("text_embedding.0.weight")[1],
        "freq_dim": view.shape("time_embedding.0.weight")[1],
        "ffn_dim": view.shape("blocks.0.ffn.0.weight")[0],
        "num_layers": view.count("blocks"),
        "eps": EPSILON,
        "image_dim": view.shape(PICTURE)[0] if PICTURE in view else None,
        "added_kv_proj_dim": width if PICTURE in view else None,
        # Which diffusers counts for one of two pictures, but keeps as large as the file has it.
        "pos_embed_seq_len": view.shape(POSITIONS)[1] if POSITIONS in view else None,
    }


def build(view: WeightView) -> nn.Module:
    """The network for the tensors of ``view``, which has their authors' names."""
    config = configuration(view)
    network: Any = WanTransformer3DModel(**config)
    del network.rope  # positions are turned as all transformers here turn them
    width, picture = view.shape("patch_embedding.weight")[0], config["added_kv_proj_dim"]
    flat = (1, PATCH, PATCH)
    if VACE in view:
        network.vace_patch_embedding = nn.Conv3d(view.shape(VACE)[1], width, flat, stride=flat)
        network.vace_blocks = nn.ModuleList(
            VaceBlock(width, config["ffn_dim"], picture, first=number == 0)
            for number in range(view.count("vace_blocks"))
        )
    if REFERENCE in view:
        network.ref_conv = nn.Conv2d(view.shape(REFERENCE)[1], width, PATCH, stride=PATCH)
    if POSE in view:
        add_faces(network, view, HEAD_WIDTH, EPSILON)
    if CAMERA in view:
        blocks = view.count("control_adapter.residual_blocks")
        network.control_adapter = CameraAdapter(view.shape(CAMERA)[1], width, blocks)
    return network  # type: ignore[no-any-return]
