"""Pictures that clients are sent whole while a job goes on: no preview of them may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Nodes whose pictures go out through ComfyUI's socket, each as one binary message.
SENDING_CLASSES = frozenset({"SaveImageWebsocket", "ETN_SendImageWebSocket"})


def is_sending(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether this is the end of a node that has just made pictures for the socket."""
    return kind == "node_finished" and data["class_type"] in SENDING_CLASSES and not data["cached"]
