"""Enlarging pictures with a network, in overlapping tiles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import spandrel
import torch
from torch import Tensor, nn

from engine.errors import DagfusionError, DeviceMemoryExhausted, InputInvalid, ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightFile
from nodes.pictures.batch import opaque
from nodes.values import UpscaleModel

TILE_PX = 512
SMALLEST_TILE_PX = 128
OVERLAP_PX = 32


class UpscaleNetwork(nn.Module):
    """A network of whatever architecture spandrel recognises; pads its input as that architecture needs.

    ``forward``: float[batch, channels, height, width], 0..1, to the same times ``scale``.
    """

    def __init__(self, description: spandrel.ImageModelDescriptor) -> None:
        super().__init__()
        self.network: nn.Module = description.model
        self.description = description
        self.scale: int = description.scale
        self.channels: int = description.input_channels

    def forward(self, pixels: Tensor) -> Tensor:
        """Enlarge one batch."""
        out: Tensor = self.description(pixels)
        return out


def load(path: Path) -> UpscaleModel:
    """Recognise an upscale model's file. Raises ``ModelUnreadable`` where it is none."""
    file = WeightFile(path)
    view = file.view("")
    network = _build(view, path.name)
    weights = Weights(
        f"upscale:{content_key(view)}",
        lambda: _build(view, path.name),
        path.name,
        wide=not network.description.supports_half,
        release=file.release,
    )
    return UpscaleModel(weights, network.scale)


def enlarge(pixels: Tensor, model: UpscaleModel, models: ModelStore, progress: Callable[[int, int], None]) -> Tensor:
    """float32[batch, height, width, channels] times the model's scale, 0..1.

    Where memory runs out, tiles are halved down to ``SMALLEST_TILE_PX``; below that ``DeviceMemoryExhausted`` is
    raised. ``progress(tiles done, tiles)`` is called after each tile.
    """
    dtype = models.dtype(model.weights)
    with models.lease(model.weights) as network:
        assert isinstance(network, UpscaleNetwork)
        planes = _with_channels(pixels, network.channels).movedim(-1, 1)

        def run(tile: Tensor) -> Tensor:
            return network(tile.to(models.device, dtype)).to("cpu", torch.float32)  # type: ignore[no-any-return]

        tile_px = TILE_PX
        while tile_px >= SMALLEST_TILE_PX:
            try:
                enlarged = tiled(planes, run, model.scale, tile_px, OVERLAP_PX, progress)
                return enlarged.movedim(1, -1).clamp(0.0, 1.0)
            except torch.OutOfMemoryError:
                models.free()
                tile_px //= 2
    raise DeviceMemoryExhausted(
        f"the memory of device '{models.device}' does not hold a tile of {SMALLEST_TILE_PX} pixels",
        remedy="use a smaller upscale model",
    )


def tiled(
    planes: Tensor,
    run: Callable[[Tensor], Tensor],
    scale: int,
    tile_px: int,
    overlap_px: int,
    progress: Callable[[int, int], None],
) -> Tensor:
    """``run`` over tiles of float[batch, channels, height, width], one picture at a time, blended where they overlap.

    Weights rise linearly over the overlap, along both sides. A picture that fits into one tile is run whole.
    """
    height, width = planes.shape[2:]
    corners = list(itertools.product(_starts(height, tile_px, overlap_px), _starts(width, tile_px, overlap_px)))
    done, total = 0, len(planes) * len(corners)
    results = []
    for picture in planes[:, None]:
        out = weights = torch.zeros(())
        for y, x in corners:
            part = run(picture[..., y : y + tile_px, x : x + tile_px])
            if len(corners) == 1:
                out, weights = part, torch.ones(())
            else:
                if out.ndim == 0:
                    out = torch.zeros(1, part.shape[1], height * scale, width * scale)
                    weights = torch.zeros_like(out[:, :1])
                ramp = _ramp(part.shape[2], overlap_px * scale)[:, None] * _ramp(part.shape[3], overlap_px * scale)
                place = (..., slice(y * scale, y * scale + part.shape[2]), slice(x * scale, x * scale + part.shape[3]))
                out[place] += part * ramp
                weights[place] += ramp
            done += 1
            progress(done, total)
        results.append(out / weights)
    return torch.cat(results)


def _starts(length: int, tile_px: int, overlap_px: int) -> list[int]:
    return [0] if length <= tile_px else list(range(0, length - overlap_px, tile_px - overlap_px))


def _ramp(length: int, feather: int) -> Tensor:
    ramp = torch.ones(length)
    if feather < length:
        rise = (torch.arange(1, feather + 1, dtype=torch.float64) / feather).float()
        ramp[:feather] *= rise
        ramp[length - feather :] *= rise.flip(0)
    return ramp


def _with_channels(pixels: Tensor, channels: int) -> Tensor:
    if channels not in (3, 4):
        raise InputInvalid(f"this upscale model takes pictures of {channels} channels, not RGB", input="upscale_model")
    return opaque(pixels[..., :channels], channels)


def _build(weights: Mapping[str, Tensor], name: str) -> UpscaleNetwork:
    try:
        description = spandrel.ModelLoader().load_from_state_dict(dict(weights))
    except DagfusionError:
        raise
    except Exception as error:
        raise ModelUnreadable(
            f"model file '{name}' is no upscale model that is known: {error}", input="model_name"
        ) from error
    if not isinstance(description, spandrel.ImageModelDescriptor):
        raise ModelUnreadable(f"model file '{name}' does not turn one picture into one", input="model_name")
    return UpscaleNetwork(description)
