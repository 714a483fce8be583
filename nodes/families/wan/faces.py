"""What Wan Animate's transformer has beside Wan's own: faces as motions, which its blocks attend to."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_wan_animate import (
    WanAnimateFaceBlockAttnProcessor,
    WanAnimateFaceBlockCrossAttention,
    WanAnimateFaceEncoder,
)
from torch import Tensor, nn

from nodes.diffusion.weights import WeightView

POSE = "pose_patch_embedding.weight"
MOTION = "motion_encoder.enc.net_app.convs"
SIDE_PX = 512
"""Of a face."""
EVERY = 5
"""The first of as many blocks is followed by an adapter."""
AT_ONCE = 8
"""Faces that are looked at together."""
SLOPE, GAIN = 0.2, 2**0.5


class ScaledLayer(nn.Module):
    """A linear layer or a convolution whose weights are stored larger than they are by the root of their inputs."""

    def __init__(self, shape: tuple[int, ...], stride: int = 1, padding: int = 0, *, bias: bool = False) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.empty(shape))
        if bias:
            self.bias = nn.Parameter(torch.empty(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / math.sqrt(self.weight[0].numel())
        if weight.ndim == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding)


class Blur(nn.Module):
    """A convolution of each channel by itself with ``kernel``, turned round."""

    def __init__(self, size: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.kernel = nn.Parameter(torch.empty(size, size))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel.flip(0, 1).expand(x.shape[1], 1, -1, -1)
        return F.conv2d(x, kernel, padding=self.padding, groups=x.shape[1])


class LeakyBias(nn.Module):
    """A bias, what is below 0 made smaller, and all of it larger (Karras et al. 2019, arXiv:1912.04958)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias, SLOPE) * GAIN


class HalvingBlock(nn.Module):
    """A residual block of half the height and width; parts as the files name them."""

    def __init__(self, view: WeightView, name: str) -> None:
        super().__init__()
        first, second, skip = (view.shape(f"{name}.{each}.weight") for each in ("conv1.0", "conv2.1", "skip.1"))
        size = view.shape(f"{name}.conv2.0.kernel")[0]
        self.conv1 = nn.Sequential(ScaledLayer(first, padding=first[-1] // 2), LeakyBias(first[0]))
        self.conv2 = nn.Sequential(
            Blur(size, (size - 2 + second[-1] - 1) // 2), ScaledLayer(second, stride=2), LeakyBias(second[0])
        )
        self.skip = nn.Sequential(Blur(size, (size - 2) // 2), ScaledLayer(skip, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)
        return made


class MotionEncoder(nn.Module):
    """Faces, [count, 3, 512, 512] in -1..1, to their motions, [count, width]."""

    def __init__(self, view: WeightView) -> None:
        super().__init__()
        count = view.count(MOTION)
        first, last = view.shape(f"{MOTION}.0.0.weight"), view.shape(f"{MOTION}.{count - 1}.weight")
        layers: list[nn.Module] = [nn.Sequential(ScaledLayer(first), LeakyBias(first[0]))]
        layers += [HalvingBlock(view, f"{MOTION}.{number}") for number in range(1, count - 1)]
        self.enc, self.dec = nn.Module(), nn.Module()
        self.enc.net_app = nn.Module()
        self.enc.net_app.convs = nn.ModuleList([*layers, ScaledLayer(last)])
        name = "motion_encoder.enc.fc"
        self.enc.fc = nn.ModuleList(
            ScaledLayer(view.shape(f"{name}.{number}.weight"), bias=True) for number in range(view.count(name))
        )
        self.dec.direction = ScaledLayer(view.shape("motion_encoder.dec.direction.weight"))

    def forward(self, faces: Tensor) -> Tensor:
        parts: Any = self
        for layer in parts.enc.net_app.convs:
            faces = layer(faces)
        found = faces.flatten(1)
        for layer in parts.enc.fc:
            found = layer(found)
        directions, _ = torch.linalg.qr(parts.dec.direction.weight.float())
        made: Tensor = found @ directions.T.to(found.dtype)
        return made


def add_faces(network: Any, view: WeightView, head_width: int, epsilon: float) -> None:
    """Put the parts of Animate's into ``network``; ``head_width`` and ``epsilon`` are those of its blocks."""
    width, poses, frames, rows_px, columns_px = view.shape(POSE)
    patch = (frames, rows_px, columns_px)
    network.pose_patch_embedding = nn.Conv3d(poses, width, patch, stride=patch)
    network.motion_encoder = MotionEncoder(view)
    inner = view.shape("face_encoder.out_proj.weight")[1]
    rows, motions, _ = view.shape("face_encoder.conv1_local.conv.weight")
    network.face_encoder = WanAnimateFaceEncoder(motions, width, inner, rows // inner)
    network.face_adapter = nn.ModuleList(
        WanAnimateFaceBlockCrossAttention(
            dim=width,
            heads=width // head_width,
            dim_head=head_width,
            eps=epsilon,
            cross_attention_dim_head=head_width,
            processor=WanAnimateFaceBlockAttnProcessor(),
        )
        for _ in range(view.count("face_adapter.fuser_blocks"))
    )


def motions_of(module: Any, faces: Tensor, steps: int) -> Tensor:
    """What blocks attend to of ``faces``, [rows, 3, frames, 512, 512]: [rows, steps, tokens, width].

    The first step is a reference's, which has no face, as those behind the last face have none.
    """
    each = faces.transpose(1, 2).flatten(0, 1)
    found = torch.cat([module.motion_encoder(each[start : start + AT_ONCE]) for start in range(0, len(each), AT_ONCE)])
    known = module.face_encoder(torch.unflatten(found, 0, (len(faces), -1)))
    return F.pad(known, (0, 0, 0, 0, 1, max(0, steps - known.shape[1] - 1)))[:, :steps]
