"""Writing picture files: PNG, animated PNG and WEBP, with the workflow inside as ComfyUI writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

_EXIF_MODEL, _EXIF_MAKE = 0x0110, 0x010F


def levels(pixels: Tensor) -> np.ndarray:
    """uint8 levels of float pixels, rounded down; what is outside 0..1 is clipped, NaN is 0."""
    return (pixels * 255.0).clamp(0, 255).nan_to_num(0.0).to(torch.uint8).numpy()


def metadata(prompt: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, str]:
    """What files carry, as JSON texts by keyword: ``prompt``, ``workflow`` and whatever else the client sent."""
    texts = {"prompt": json.dumps(prompt)} if prompt else {}
    return texts | {key: json.dumps(value) for key, value in extra.items()}


def png(path: Path, pixels: Tensor, texts: Mapping[str, str], compress_level: int = 4) -> None:
    """Write float[height, width, channels] with ``texts`` as tEXt chunks."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    _picture(pixels).save(path, format="PNG", pnginfo=info, compress_level=compress_level)


def animated_png(path: Path, pixels: Tensor, texts: Mapping[str, str], fps: float, compress_level: int) -> None:
    """Write float[frames, height, width, channels]; ``texts`` go into ``comf`` chunks after the picture data."""
    info = PngInfo()
    for key, text in texts.items():
        info.add(b"comf", key.encode("latin-1", "replace") + b"\0" + text.encode("latin-1"), after_idat=True)
    first, *rest = [_picture(frame) for frame in pixels]
    first.save(
        path,
        format="PNG",
        pnginfo=info,
        compress_level=compress_level,
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=rest,
    )


def webp(
    path: Path, pixels: Tensor, texts: Mapping[str, str], fps: float, *, lossless: bool, quality: int, method: int
) -> None:
    """Write float[frames, height, width, channels], endlessly repeated; ``texts`` go into EXIF make and model."""
    first, *rest = [_picture(frame) for frame in pixels]
    exif = first.getexif()
    tag = _EXIF_MAKE
    for key, text in texts.items():
        if key == "prompt":
            exif[_EXIF_MODEL] = f"prompt:{text}"
        else:
            exif[tag] = f"{key}:{text}"
            tag -= 1
    first.save(
        path,
        format="WEBP",
        save_all=True,
        duration=int(1000.0 / fps),
        append_images=rest,
        exif=exif,
        lossless=lossless,
        quality=quality,
        method=method,
    )


def _picture(pixels: Tensor) -> Pillow.Image:
    values = levels(pixels)
    return Pillow.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
