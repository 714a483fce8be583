"""Turns what file systems raise into one error: a blob that is not there, or a store that does not work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from engine.errors import DagfusionError


@contextmanager
def reachable(digest: str | None = None) -> Iterator[None]:
    """Around whatever touches the storage; ``digest`` where a file that is not found is that blob."""
    try:
        yield
    except FileNotFoundError as error:
        if digest is None:
            raise BlobStoreUnavailable(f"the blob store is gone: {error.strerror or 'a file is missing'}") from error
        raise missing(digest) from error
    except (DagfusionError, NotImplementedError):  # the latter is an answer: this storage signs no links
        raise
    except Exception as error:  # remote storage's libraries raise what they like
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BlobStoreUnavailable(f"the blob store fails: {reason}") from error


def missing(digest: str) -> BlobMissing:
    """The error for a digest that no blob has."""
    return BlobMissing(f"there is no blob '{digest[:64]}'", remedy="it may have been removed after its retention time")
