"""Whether what a pull is about to fetch fits on the disks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from adapters.host.models.errors import PullFailed

RESERVE_BYTES = 64 * 2**20  # stays free: a full disk harms more than this pull
FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write below ``folder``, which need not exist yet."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """What is there of the path ``folder``: itself, or the nearest that is above it."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def check_space(wanted: Iterable[tuple[Path, int]], free: FreeBytes = free_bytes) -> None:
    """``wanted``: folders, and the bytes to be written to each. Raises ``PullFailed`` where a disk has too little."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size_bytes in wanted:
        device = existing(folder).stat().st_dev
        disks[device] = (folder, disks.get(device, (folder, 0))[1] + size_bytes)
    for folder, size_bytes in disks.values():
        left = free(folder)
        if size_bytes and size_bytes + RESERVE_BYTES > left:
            lacking = size_bytes + RESERVE_BYTES - left
            raise PullFailed(
                "disk_full",
                f"{folder}: {size_bytes / 1e9:.3f} GB are to be fetched, {left / 1e9:.3f} GB are free",
                remedy=f"make {lacking / 1e9:.3f} GB of room, or give another folder with --models",
            )
