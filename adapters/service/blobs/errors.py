"""What can go wrong with blobs and the links to them."""

from __future__ import annotations

from engine.errors import DagfusionError


class BlobMissing(DagfusionError):
    """There is no blob of that digest: it never was, or its time was up."""


class BlobStoreUnavailable(DagfusionError):
    """The folder or remote storage of the blobs cannot be read or written right now."""

    def __init__(self, message: str, *, remedy: str = "see that DAGFUSION_BLOBS can be reached, and has room") -> None:
        super().__init__(message, remedy=remedy)


class LinkInvalid(DagfusionError):
    """A download link was not signed by this service, or was altered."""


class LinkExpired(LinkInvalid):
    """A download link was good once; its time is up."""


class VolumeUnavailable(DagfusionError):
    """A volume cannot be written to, or its changes cannot be committed or seen."""
