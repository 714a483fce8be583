"""Whether the GPU that was asked for is there."""

from __future__ import annotations

from engine.errors import DagfusionError


class GpuMissing(DagfusionError):
    """A GPU was expected here, and there is none."""


def check_gpu(device: str, remedy: str) -> None:
    """Raises ``GpuMissing`` where ``device`` is one of CUDA's and torch finds none here."""
    if not device.startswith("cuda"):
        return
    import torch

    if not torch.cuda.is_available():
        raise GpuMissing(f"there was to be a GPU here, and torch {torch.__version__} finds none", remedy=remedy)
