"""How much memory this machine (or this process's container) has in all, and how much of it is free."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (_CGROUP / "memory.max", _CGROUP / "memory" / "memory.limit_in_bytes")
_USED = (_CGROUP / "memory.current", _CGROUP / "memory" / "memory.usage_in_bytes")
_STATISTICS = (_CGROUP / "memory.stat", _CGROUP / "memory" / "memory.stat")
_MACHINE = Path("/proc/meminfo")


def host_memory_bytes() -> int:
    """The machine's memory, or the container's limit where that is smaller."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *filter(None, map(_number, _LIMITS))])


def free_memory_bytes() -> int:
    """What could be allocated now without harm to others. Pages of files that the system only caches count as free."""
    free = [_in_table(_MACHINE, "MemAvailable:", 1024)]
    for limit, used, statistics in zip(_LIMITS, _USED, _STATISTICS, strict=True):
        most, taken = _number(limit), _number(used)
        if most is not None and taken is not None:
            free.append(max(0, most - taken) + (_in_table(statistics, "inactive_file", 1) or 0))
    known = [size for size in free if size is not None]
    return min([host_memory_bytes(), *known])


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max", say
        return None


def _in_table(file: Path, name: str, unit_bytes: int) -> int | None:
    try:
        rows = (line.split() for line in file.read_text().splitlines())
        return next((int(row[1]) * unit_bytes for row in rows if row[0] == name), None)
    except (OSError, ValueError, IndexError):
        return None
