"""Pictures that clients are sent whole while a job goes on: no preview of them may be left out, so they are blobs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.service.blobs.errors import BlobStoreUnavailable
from adapters.service.blobs.store import BlobStore
from adapters.service.store.records import Happening
from engine.folders import Folders

# Nodes whose pictures go out through ComfyUI's socket, each as one binary message.
SENDING_CLASSES = frozenset({"SaveImageWebsocket", "ETN_SendImageWebSocket"})
_log = logging.getLogger(__name__)


def with_sent(entry: Happening, folders: Folders, blobs: BlobStore) -> Happening:
    """A node's end with ``sent``: a digest for each picture that it showed, which is a blob from now on.

    Other entries come back as they are, and so does one whose files cannot be stored: a web process that shares the
    folders still finds them.
    """
    if not is_sending(entry.kind, entry.data) or "sent" in entry.data:
        return entry
    try:
        sent = [_stored(file, folders, blobs) for file in entry.data["shown"].get("images", ())]
    except (OSError, BlobStoreUnavailable) as error:
        _log.warning("pictures of node %s are not sent to other machines: %s", entry.data["node_id"], error)
        return entry
    return replace(entry, data={**entry.data, "sent": sent})


def is_sending(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether this is the end of a node that has just made pictures for the socket."""
    return kind == "node_finished" and data["class_type"] in SENDING_CLASSES and not data["cached"]


def _stored(file: Mapping[str, str], folders: Folders, blobs: BlobStore) -> str:
    folder = getattr(folders, file["type"])
    return blobs.put_file(folder / file["subfolder"] / file["filename"]).digest
