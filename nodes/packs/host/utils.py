"""``comfy.utils``: progress, resizing, tiles, and weights of files."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nodes.packs.running import context_or_none
from nodes.pictures import resize

PROGRESS_BAR_ENABLED = True
PROGRESS_BAR_HOOK = None


class ProgressBar:
    """How far a node is. It also stops the node once the run is cancelled."""

    def __init__(self, total: int, node_id: Any = None) -> None:
        self.total, self.current, self.node_id = total, 0, node_id

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """``value`` of ``total`` are done."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        ctx = context_or_none()
        if ctx is not None:
            ctx.progress(int(self.current), max(int(self.total), 1))

    def update(self, value: int) -> None:
        """``value`` more are done."""
        self.update_absolute(self.current + value)


def set_progress_bar_global_hook(_: Any) -> None:
    """Progress goes to the run's watchers."""


def set_progress_bar_enabled(_: bool) -> None:
    """Progress goes to the run's watchers."""


def load_torch_file(
    ckpt: Any, safe_load: bool = False, device: Any = None, return_metadata: bool = False, **_: Any
) -> Any:
    """The tensors of a file, by name: safetensors, or pickled weights without code."""
    path, where = Path(ckpt), str(device or "cpu")
    metadata: Mapping[str, str] | None = None
    if path.suffix.lower() in (".safetensors", ".sft"):
        from safetensors import safe_open

        with safe_open(path, framework="pt", device=where) as file:
            loaded: Any = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
    else:
        loaded = torch.load(path, map_location=where, weights_only=True)
        loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    return (loaded, metadata) if return_metadata else loaded


def save_torch_file(sd: Mapping[str, Tensor], ckpt: Any, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors."""
    from safetensors.torch import save_file

    save_file(dict(sd), ckpt, metadata=None if metadata is None else dict(metadata))


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    """How many numbers the tensors under a prefix hold."""
    return sum(tensor.nelement() for name, tensor in sd.items() if name.startswith(prefix))


def weight_dtype(sd: Mapping[str, Tensor], prefix: str = "") -> torch.dtype | None:
    """The type that most of the numbers have."""
    counts: dict[torch.dtype, int] = {}
    for name, tensor in sd.items():
        if name.startswith(prefix):
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.numel()
    return max(counts, key=counts.__getitem__) if counts else None


def state_dict_prefix_replace(sd: dict[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False) -> Any:
    """The tensors with prefixes of their names replaced; with ``filter_keys`` only those."""
    out: dict[str, Any] = {} if filter_keys else sd
    for old, new in replace_prefix.items():
        for name in [name for name in sd if name.startswith(old)]:
            out[new + name[len(old) :]] = sd.pop(name)
    return out


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Resize [batch, channels, height, width] (also with frames before the sides); ``crop``: ``center`` or not."""
    frames = samples.shape[2] if samples.ndim == 5 else None
    planes = samples if frames is None else samples.movedim(2, 1).flatten(0, 1)
    pixels = planes.movedim(1, -1)
    if upscale_method == "bislerp":
        from nodes.diffusion import latents

        middle = resize.crop_to_aspect(pixels, width / height) if crop == "center" else pixels
        made = latents.bislerp(middle.movedim(-1, 1), width, height)
    else:
        made = resize.to_size(pixels, int(width), int(height), upscale_method, crop=crop == "center").movedim(-1, 1)
    return made if frames is None else made.reshape(-1, frames, *made.shape[1:]).movedim(1, 2)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize [batch, channels, height, width] by Pillow's Lanczos."""
    return resize.to_size(samples.movedim(1, -1), int(width), int(height), "lanczos").movedim(-1, 1).to(samples)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Resize latents between whose cells directions are turned."""
    return common_upscale(samples, width, height, "bislerp", "disabled")


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles there are."""
    return len(list(_starts(height, tile_y, overlap))) * len(list(_starts(width, tile_x, overlap)))


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: ProgressBar | None = None,
) -> Tensor:
    """``function`` over overlapping tiles of [batch, channels, height, width], blended where they overlap."""
    height, width = samples.shape[-2:]
    shape = (samples.shape[0], out_channels, round(height * upscale_amount), round(width * upscale_amount))
    total, weight = torch.zeros(shape, device=output_device), torch.zeros((1, 1, *shape[2:]), device=output_device)
    for top, left in itertools.product(_starts(height, tile_y, overlap), _starts(width, tile_x, overlap)):
        made = function(samples[..., top : top + tile_y, left : left + tile_x]).to(output_device)
        y, x = round(top * upscale_amount), round(left * upscale_amount)
        mask = _feathered(made.shape[-2:], round(overlap * upscale_amount), made)
        rows, columns = slice(y, y + made.shape[-2]), slice(x, x + made.shape[-1])
        total[..., rows, columns] += made * mask
        weight[..., rows, columns] += mask
        if pbar is not None:
            pbar.update(1)
    return total / weight


def _starts(length: int, tile: int, overlap: int) -> Iterator[int]:
    step = max(tile - overlap, 1)
    count = max(math.ceil((length - overlap) / step), 1)
    yield from (max(min(number * step, length - tile), 0) for number in range(count))


def _feathered(sides: Any, overlap: int, like: Tensor) -> Tensor:
    """1 in the middle, falling towards the edges over ``overlap`` pixels; never 0."""
    height, width = sides

    def ramp(length: int) -> Tensor:
        places = torch.arange(length, dtype=torch.float32)
        return (torch.minimum(places, places.flip(0)) + 1).clamp(max=max(overlap, 1)) / max(overlap, 1)

    return (ramp(height)[:, None] * ramp(width)[None]).to(like)


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """As many items as asked for: cut, or repeated from the start."""
    count = tensor.shape[dim]
    if count > batch_size:
        return tensor.narrow(dim, 0, batch_size)
    if count == batch_size:
        return tensor
    repeats = [1] * tensor.ndim
    repeats[dim] = math.ceil(batch_size / count)
    return tensor.repeat(repeats).narrow(dim, 0, batch_size)


def get_attr(obj: Any, attr: str) -> Any:
    """An attribute by a dotted name."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """Set an attribute by a dotted name; returns what was there."""
    *path, last = attr.split(".")
    for name in path:
        obj = getattr(obj, name)
    before = getattr(obj, last)
    setattr(obj, last, value)
    return before


def set_attr_param(obj: Any, attr: str, value: Tensor) -> Any:
    """Set a parameter by a dotted name."""
    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))
