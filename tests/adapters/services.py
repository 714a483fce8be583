"""The real service as processes, for tests; what starts it is the benchmarks' too."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.service import START_S, Service, picture_prompt, running, stop, until

__all__ = [
    "START_S",
    "Service",
    "closed_port",
    "endless_prompt",
    "free_ports",
    "picture_prompt",
    "running",
    "stop",
    "until",
]

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


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 for programs that must be told one. Nobody takes them before those do.

    They are none of those that the kernel gives out by itself, and others for each process of the tests.
    """
    first_given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = [port for port in range(20_000, first_given_out) if port % 16 == own % 16]
    random.SystemRandom().shuffle(ports)
    return list(islice(filter(_is_free, ports), count))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
