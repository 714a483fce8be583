"""Where a manifest's files lie in the model folders, and what is kept beside them while they are fetched."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.host.models.document import ListedModel
from adapters.host.settings import Settings
from engine.errors import DagfusionError
from engine.folders import KINDS, contained, model_folders

ASIDE = ".dagfusion"  # listings of models skip folders that start with a dot


@dataclass(frozen=True, slots=True)
class Places:
    """``root``: the models folder that new files go to. ``folders``: the folders of each kind that are searched."""

    root: Path
    folders: Mapping[str, Sequence[Path]]

    @classmethod
    def from_settings(cls, settings: Settings) -> Places:
        """The folders that options or environment name; the first is where new files go, and may not be there yet."""
        if not settings.models:
            raise DagfusionError("no models folder is named", remedy="give one with --models, or set DAGFUSION_MODELS")
        extra = [settings.extra_model_paths] if settings.extra_model_paths else []
        here = [root for root in settings.models if root.is_dir()]
        return cls(root=settings.models[0], folders=model_folders(here, extra))

    def find(self, model: ListedModel) -> Path | None:
        """The file of that kind and name, whatever is in it; ``None`` where there is none."""
        for folder in (*self._own(model.kind), *self.folders.get(model.kind, ())):
            path = contained(folder, model.name)
            if path is not None and path.is_file():
                return path
        return None

    def target(self, model: ListedModel) -> Path:
        """Where a new file goes: below the kind's first folder that is there, else its usual one."""
        own = self._own(model.kind)
        folder = next((folder for folder in own if folder.is_dir()), own[0])
        return folder / model.name

    def _own(self, kind: str) -> list[Path]:
        return [self.root / name for name in KINDS[kind]]


@dataclass(frozen=True, slots=True)
class Beside:
    """The files about one model file. They lie next to it, since a rename is atomic within one file system only."""

    target: Path

    @property
    def folder(self) -> Path:
        return self.target.parent / ASIDE

    @property
    def part(self) -> Path:
        """What has arrived so far."""
        return self.folder / f"{self.target.name}.part"

    @property
    def note(self) -> Path:
        """Which version of the remote file ``part`` is of."""
        return self.folder / f"{self.target.name}.note"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.target.name}.lock"

    @property
    def stamp(self) -> Path:
        """The hash that the file had, and its size and time then."""
        return self.folder / f"{self.target.name}.sha256"


def remembered_hash(path: Path) -> str | None:
    """The SHA-256 that ``path`` had when it was last hashed, if its size and time are still the same."""
    try:
        stamp = json.loads(Beside(path).stamp.read_text())
        return str(stamp["sha256"]) if stamp["stat"] == _stat(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember_hash(path: Path, sha256: str) -> None:
    """Keep what was hashed, so that the next start need not read gigabytes; where that cannot be written, it is not."""
    stamp = Beside(path).stamp
    partial = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        stamp.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps({"sha256": sha256, "stat": _stat(path)}))
        partial.replace(stamp)


def _stat(path: Path) -> list[int]:
    # Whole seconds: image layers keep no more of a file's time.
    found = path.stat()
    return [found.st_size, int(found.st_mtime)]
