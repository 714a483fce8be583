"""Where a container has its things, and the settings that say so to the rest of the program."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.host.settings import Settings, read_settings
from adapters.service.blobs.errors import VolumeUnavailable

MANIFEST = Path("/etc/dagfusion/models.yaml")
NODES = Path("/etc/dagfusion/nodes")  # a folder in it for each of the deployer's node folders
PACKS = Path("/etc/dagfusion/packs")  # and for each of the folders of packs
_LOCAL = ("data", "input", "output", "temp")


@dataclass(frozen=True, slots=True)
class MountedPaths:
    """``models`` and ``jobs``: where the volumes are mounted. ``local``: on the container's own disk."""

    models: Path = Path("/models")
    jobs: Path = Path("/jobs")
    local: Path = Path("/tmp/dagfusion")  # noqa: S108 - nobody else is in the container

    @property
    def blobs(self) -> Path:
        """Inputs and outputs, which API and GPU containers share."""
        return self.jobs / "blobs"

    @property
    def wheels(self) -> Path:
        """Wheels that were built for a GPU."""
        return self.models / ".wheels"

    def make_local(self) -> None:
        """Make the folders on the container's own disk; after a snapshot they may be gone."""
        for name in _LOCAL:
            (self.local / name).mkdir(parents=True, exist_ok=True)

    def settings(self, **more: Any) -> Settings:
        """The settings of a container: the environment that was passed on to it, and these places.

        ``host`` is not loopback: requests come from everywhere, so an API key is needed.
        """
        given: dict[str, Any] = {
            "models": [self.models],
            **{name: self.local / name for name in _LOCAL},
            "fingerprints": self.jobs / "fingerprints.json",
            "host": "0.0.0.0",  # noqa: S104 - Modal's proxy is in front
            "manifest": MANIFEST if MANIFEST.is_file() else None,
            "nodes": sorted(NODES.glob("*")),
            "packs": sorted(PACKS.glob("*")),
        }
        self.make_local()
        settings = read_settings(given | more)
        return settings if settings.blobs else settings.model_copy(update={"blobs": str(self.blobs)})


def check_writable(volume: Path) -> None:
    """Raises ``VolumeUnavailable`` where nothing can be written to the volume that is mounted there."""
    try:
        volume.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=volume):
            pass
    except OSError as error:
        raise VolumeUnavailable(
            f"the volume at {volume} cannot be written to: {error.strerror}",
            remedy="mount it without read_only(); `modal volume list` shows whether it exists",
        ) from error
