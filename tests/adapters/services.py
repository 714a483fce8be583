"""The real service as processes, for tests; what starts it is the benchmarks' too."""

from __future__ import annotations

from benchmarks.service import START_S, Service, picture_prompt, running, stop, until

__all__ = ["START_S", "Service", "picture_prompt", "running", "stop", "until"]
