"""Latents as sequences of square patches, the way diffusion transformers read them, and back."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

# What of a patch comes first in its token: its channels, or its pixels.
PatchOrder = Literal["channels first", "pixels first"]


def padded(latent: Tensor, patch: int) -> Tensor:
    """``latent``, [..., height, width], with sides that are multiples of ``patch``: filled up from its other edge."""
    rows, columns = (-side % patch for side in latent.shape[-2:])
    if not rows and not columns:
        return latent
    planes = latent.flatten(0, -4) if latent.ndim > 4 else latent
    wrapped = F.pad(planes, (0, columns, 0, rows), mode="circular")
    return torch.unflatten(wrapped, 0, latent.shape[:-3]) if latent.ndim > 4 else wrapped


def grid_size(latent: Tensor, patch: int) -> tuple[int, int]:
    """Rows and columns of patches that ``latent``, [..., height, width], makes."""
    rows, columns = (-(-side // patch) for side in latent.shape[-2:])
    return rows, columns


def to_tokens(latent: Tensor, patch: int, order: PatchOrder = "channels first") -> Tensor:
    """[batch, channels, height, width] to [batch, rows x columns, channels x patch x patch], row by row."""
    whole = padded(latent, patch)
    cells = torch.unflatten(
        torch.unflatten(whole, -1, (-1, patch)), -3, (-1, patch)
    )  # batch, channels, row, y, column, x
    axes = (0, 2, 4, 1, 3, 5) if order == "channels first" else (0, 2, 4, 3, 5, 1)
    return cells.permute(axes).flatten(3).flatten(1, 2)


def to_latent(tokens: Tensor, size: tuple[int, int], patch: int, order: PatchOrder = "channels first") -> Tensor:
    """The inverse of :func:`to_tokens`, cut to ``size`` (height, width)."""
    rows, columns = (-(-side // patch) for side in size)
    cells = torch.unflatten(tokens, 1, (rows, columns))
    if order == "channels first":
        planes = torch.unflatten(cells, -1, (-1, patch, patch)).permute(0, 3, 1, 4, 2, 5)
    else:
        planes = torch.unflatten(cells, -1, (patch, patch, -1)).permute(0, 5, 1, 3, 2, 4)
    return planes.flatten(4).flatten(2, 3)[..., : size[0], : size[1]]


def grid_positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """Row and column of every patch, float32[rows x columns, 2], row by row."""
    y = torch.arange(rows, dtype=torch.float32, device=device)
    x = torch.arange(columns, dtype=torch.float32, device=device)
    return torch.cartesian_prod(y, x)
