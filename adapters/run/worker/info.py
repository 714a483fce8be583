"""What a worker says of itself with each heartbeat: its device, models, memory, cache and jobs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import psutil

from adapters.run.worker.leased_jobs import LeasedJobs

if TYPE_CHECKING:
    from adapters.run.worker.together import Measured
    from engine.engine import Engine


def worker_info(
    engine: Engine | None,
    leased_jobs: LeasedJobs,
    faults: Sequence[str] = (),
    abilities: Mapping[str, Any] | None = None,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """JSON-ready. Without an engine (the worker is starting) only memory.

    ``faults``: what keeps the worker from taking jobs. ``abilities``: which jobs it can take. ``measured``: why so many
    jobs are computed at once, where that was left to the worker.
    """
    info: dict[str, Any] = {"jobs": [leased.job.id for leased in leased_jobs.all()], "memory": _memory(engine)}
    info |= abilities or {}
    if faults:
        info["faults"] = list(faults)
    if engine is None:
        return info
    device = engine.models.device
    return info | {
        "device": str(device),
        "device_name": _device_name(device.type),
        "precision": engine.models.precision,
        "dtype": str(_dtype(engine)).removeprefix("torch."),
        "torch": str(sys.modules["torch"].__version__),
        "models": [
            {"label": held.label, "bytes": held.bytes_held, "patches": len(held.patches)}
            for held in engine.models.stats()
        ],
        "models_bytes": engine.models.held_bytes,
        "model_loads": engine.models.loads,
        "most_memory_bytes": engine.limits.most_memory_bytes,
        "models_budget_bytes": engine.models.budget_bytes,
        "steps_joined": engine.scheduler.joined,
        "together": engine.at_once,
        "together_measured": None if measured is None else asdict(measured),
        "cache": asdict(engine.cache.statistics()),
        "disk_cache": asdict(engine.cache.disk.statistics()) if engine.cache.disk else {},
    }


def _dtype(engine: Engine) -> object:
    from engine.devices import compute_dtype

    return compute_dtype(engine.models.device, engine.models.precision, wide=False)


def _device_name(kind: str) -> str:
    torch = sys.modules["torch"]
    return str(torch.cuda.get_device_name()) if kind == "cuda" else kind


def _memory(engine: Engine | None) -> dict[str, int]:
    ram = psutil.virtual_memory()
    memory = {
        "process_bytes": psutil.Process().memory_info().rss,
        "ram_total_bytes": ram.total,
        "ram_available_bytes": ram.available,
    }
    if engine is not None and engine.models.device.type == "cuda":
        torch = sys.modules["torch"]
        free, total = torch.cuda.mem_get_info(engine.models.device)
        memory |= {
            "vram_total_bytes": total,
            "vram_free_bytes": free,
            "torch_reserved_bytes": torch.cuda.memory_reserved(engine.models.device),
            "torch_allocated_bytes": torch.cuda.memory_allocated(engine.models.device),
        }
    return memory
