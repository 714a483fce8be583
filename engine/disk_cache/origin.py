"""What computes here, as a text: results of other code, libraries, number formats or devices are other results."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import torch

from engine.devices import compute_dtype
from engine.disk_cache.file_format import FORMAT
from engine.model_store import ModelStore
from engine.sources import house_code


def origin(models: ModelStore) -> str:
    """Equal where equal keys make equal bits, in whichever process. It changes when ``models`` moves to a device."""
    device, precision = models.device, models.precision
    formats = [
        compute_dtype(device, precision, wide=wide, heavy=heavy) for wide in (False, True) for heavy in (False, True)
    ]
    kernels = [
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
    ]
    computed = f"{precision} {formats} {kernels} {models.computing}"
    return "\n".join([FORMAT, house_code(), _installed(), _device_name(device), computed])


@cache
def _installed() -> str:
    """Python and the libraries beside torch, with their versions: reading the names takes 1 ms, asking each 80 ms."""
    names = [name for name in os.listdir(Path(torch.__file__).parents[1]) if name.endswith((".dist-info", ".egg-info"))]
    return " ".join([platform.python_version(), torch.__version__, *sorted(names)])


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)} {torch.version.cuda}"
    return f"{device.type} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
