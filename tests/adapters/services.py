"""The real service as processes, for tests; what starts it is the benchmarks' too."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.service import START_S, Service, picture_prompt, running, stop, until

__all__ = ["START_S", "Service", "closed_port", "endless_prompt", "picture_prompt", "running", "stop", "until"]

_GRAPH = Path(__file__).parents[2] / "graphs" / "text_to_image.json"


def endless_prompt(seed: int) -> dict[str, Any]:
    """A graph whose sampler has minutes to do, in steps of some milliseconds: it runs until it is stopped."""
    prompt: dict[str, Any] = json.loads(_GRAPH.read_text())
    for node in prompt.values():
        if node["class_type"] == "EmptyLatentImage":
            node["inputs"].update(width=64, height=64)
        if node["class_type"] == "KSampler":
            node["inputs"].update(steps=10_000, seed=seed)
    return prompt


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 where connections are refused, and which nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        yield int(taken.getsockname()[1])
