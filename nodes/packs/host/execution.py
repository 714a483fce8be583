"""``execution``: what packs import from there."""

from __future__ import annotations

from nodes.packs.host.graph_utils import ExecutionBlocker

__all__ = ["ExecutionBlocker"]
