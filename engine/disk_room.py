"""Whether there is room for files that are to be saved: in the scratch folder, the output folder and other copies."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def room_bytes(folders: Sequence[Path]) -> int | None:
    """How large the files may be if each folder gets a copy of them; ``None`` where nothing is known.

    A folder that is not there yet is on the disk of the first one above it that is.
    """
    places = [place for place in map(_there, folders) if place is not None]
    copies = Counter(os.stat(place).st_dev for place in places)
    free = {os.stat(place).st_dev: shutil.disk_usage(place).free for place in places}
    return min((free[disk] // count for disk, count in copies.items()), default=None)


def _there(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), None)
