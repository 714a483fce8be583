"""What a node may make at most, wherever a job of this service may run."""

from __future__ import annotations

from dataclasses import replace

from adapters.doors.http.services import Services
from adapters.host.loading import load_limits
from adapters.service.prepare.foretelling import Bounds
from engine.limits import Limits


def bounds_of(now: Services) -> Bounds:
    """For what is told of a workflow before it is queued."""
    return Bounds.of(now.settings, lambda: _limits(now))


def _limits(now: Services) -> Limits:
    """Those of the worker that may make most at once; of this machine where none is ready."""
    limits = load_limits(now.settings)
    alive = now.store.workers.alive(now.settings.lease_s)
    known = [one.info.get("most_memory_bytes") for one in alive if one.state == "ready"]
    most = max((size for size in known if isinstance(size, int)), default=None)
    return limits if most is None else replace(limits, memory_bytes=most)
