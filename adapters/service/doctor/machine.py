"""The machine itself: processor cores and memory, as far as this process may use them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from adapters.service.doctor.findings import Examined, Finding, gigabytes

GROUP = "machine"
LOW_MEMORY_BYTES = 8e9
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def machine(_around: Examined) -> Iterator[Finding]:
    """System, cores and memory."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}"
    yield Finding(GROUP, "system", "ok", system)
    cores = _cores()
    few = "two cores share the work of decoding files, the web server and the device" if cores < 2 else ""
    yield Finding(GROUP, "cores", "warn" if few else "ok", f"{cores:g} of {os.cpu_count()}", few)
    yield _memory()


def _cores() -> float:
    """Cores of this process: by its affinity and by the container's quota."""
    cores: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):  # no such limit
        return cores


def _memory() -> Finding:
    from engine.host_memory import host_memory_bytes

    total, free = host_memory_bytes(), psutil.virtual_memory().available
    value = f"{gigabytes(total)}, {gigabytes(min(free, total))} free"
    if min(free, total) < LOW_MEMORY_BYTES:
        remedy = "SDXL in float16 takes 7 GB while it is loaded: end other programs, or keep to SD1.5"
        return Finding(GROUP, "memory", "warn", value, remedy)
    return Finding(GROUP, "memory", "ok", value)


def nvidia_driver() -> str | None:
    """The version of NVIDIA's kernel driver, or ``None`` where there is none. Needs no CUDA library."""
    try:
        first = Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except (OSError, IndexError):
        return "unknown version" if sys.platform == "linux" and Path("/dev/nvidia0").exists() else None
    return next((word for word in first.split() if word[0].isdigit() and "." in word), "unknown version")
