"""Rays of a moving camera as lines in space: Pluecker coordinates, Sitzmann et al. 2021, https://arxiv.org/abs/2106.02634.

The moves and their scales are those that VideoX-Fun's camera models were trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Triple = tuple[float, float, float]

TURN, WAY = math.pi / 3, 1.5
"""A whole turn about the view, in radians, and a whole way, at speed 1."""

ASPECT = 1280 / 720
"""Of the pictures that focal lengths are parts of."""

FRAMES_A_STEP = 4

# By how much the camera turns about the view, and where it goes: right, down, ahead.
_MOVES: Mapping[str, tuple[float, Triple]] = {
    "Static": (0.0, (0.0, 0.0, 0.0)),
    "Pan Up": (0.0, (0.0, -1.0, 0.0)),
    "Pan Down": (0.0, (0.0, 1.0, 0.0)),
    "Pan Left": (0.0, (-1.0, 0.0, 0.0)),
    "Pan Right": (0.0, (1.0, 0.0, 0.0)),
    "Zoom In": (0.0, (0.0, 0.0, 2.0)),
    "Zoom Out": (0.0, (0.0, 0.0, -2.0)),
    "Anti Clockwise (ACW)": (-1.0, (0.0, 0.0, 0.0)),
    "ClockWise (CW)": (1.0, (0.0, 0.0, 0.0)),
}


def rays(
    move: str, width: int, height: int, length: int, speed: float, lens: tuple[float, float, float, float]
) -> Tensor:
    """float32[1, 24, steps, height, width]: moment and direction of each pixel's ray in each of a step's four frames.

    ``lens``: focal lengths and centre along x and y, as parts of the sides. The first frame has a step of its own.
    """
    places = _places(move, length, speed)
    directions = _directions(width, height, lens) @ places[:, None, :3, :3].transpose(-1, -2).float()
    origins = places[:, None, None, :3, 3].float().expand_as(directions)
    lines = torch.cat([torch.linalg.cross(origins, directions), directions], dim=-1).movedim(-1, 1)
    lines = torch.cat([lines[:1].expand(FRAMES_A_STEP, -1, -1, -1), lines[1:]])
    steps = lines.shape[0] // FRAMES_A_STEP
    by_step = torch.unflatten(lines[: steps * FRAMES_A_STEP], 0, (steps, FRAMES_A_STEP)).transpose(1, 2)
    return by_step.flatten(1, 2).movedim(1, 0)[None].contiguous()


def _places(move: str, length: int, speed: float) -> Tensor:
    """Where the camera is in each frame, as seen from the first one: float64[length, 4, 4]."""
    turn, way = _MOVES[move]
    share = torch.arange(length, dtype=torch.float64) / length * speed
    angle = share * TURN * turn
    places = torch.eye(4, dtype=torch.float64).repeat(length, 1, 1)
    places[:, 0, 0] = places[:, 1, 1] = angle.cos()
    places[:, 1, 0], places[:, 0, 1] = angle.sin(), -angle.sin()
    places[:, :3, 3] = share[:, None] * WAY * torch.tensor(way, dtype=torch.float64)
    return places


def _directions(width: int, height: int, lens: tuple[float, float, float, float]) -> Tensor:
    """Where each pixel looks: float32[height, width, 3], of length 1."""
    fx, fy, cx, cy = lens
    if width / height < ASPECT:
        fx *= height * ASPECT / width
    else:
        fy *= width / ASPECT / height
    scale = torch.tensor([fx * width, fy * height, cx * width, cy * height], dtype=torch.float64).float()
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    made = torch.stack([(x + 0.5 - scale[2]) / scale[0], (y + 0.5 - scale[3]) / scale[1], torch.ones_like(x)], dim=-1)
    looking: Tensor = made / made.norm(dim=-1, keepdim=True)
    return looking
