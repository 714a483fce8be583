"""``comfy.utils``, progress: it is told to whoever watches the run, and stops a cancelled one."""

from __future__ import annotations

from typing import Any

from nodes.packs.running import context_or_none

PROGRESS_BAR_ENABLED = True
PROGRESS_BAR_HOOK = None


class ProgressBar:
    """How far a node is. It also stops the node once the run is cancelled."""

    def __init__(self, total: int, node_id: Any = None) -> None:
        self.total, self.current, self.node_id = total, 0, node_id

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
        """``value`` of ``total`` are done."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        ctx = context_or_none()
        if ctx is not None:
            ctx.progress(int(self.current), max(int(self.total), 1))

    def update(self, value: int) -> None:
        """``value`` more are done."""
        self.update_absolute(self.current + value)


def set_progress_bar_global_hook(_: Any) -> None:
    """Progress goes to the run's watchers."""


def set_progress_bar_enabled(_: bool) -> None:
    """Progress goes to the run's watchers."""
