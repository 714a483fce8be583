"""Whether the device still works: after some CUDA errors nothing does until a new process is started."""

from __future__ import annotations

import sys

from engine.engine import Engine
from engine.errors import first_line


def broken(engine: Engine) -> str | None:
    """Why the engine's device can compute no more; ``None`` where it can. Takes microseconds."""
    device = engine.models.device
    if device.type == "cpu":
        return None
    torch = sys.modules["torch"]
    try:
        total = torch.ones(8, device=device).sum().item()
    except torch.OutOfMemoryError:
        return None  # full, but not broken: what fills it can be freed
    except RuntimeError as error:
        return f"the device {device} fails: {first_line(error)}"
    return None if total == 8 else f"the device {device} miscalculates"
