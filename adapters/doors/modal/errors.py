"""What can be wrong with a container."""

from __future__ import annotations

from engine.errors import DagfusionError


class VolumeUnavailable(DagfusionError):
    """A volume cannot be written to, or its changes cannot be committed or seen."""


class ManifestUnmet(DagfusionError):
    """Files that the manifest lists are not in the volume, or are not what it says."""
