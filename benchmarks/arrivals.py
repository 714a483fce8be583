"""``dagfusion bench serve``: jobs that arrive when they do, whether or not the service keeps up."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import httpx

from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import Nodes, checkpoint_of, text_to_image
from benchmarks.service import Service, picture_prompt, running
from benchmarks.shapes import pictures
from engine.errors import DagfusionError

Prompt = dict[str, Any]
LONGEST_S = 300
GRAPHS = ("small", "mixed")
_numbers = itertools.count(1)


@case(
    "serve",
    axes={"graphs": GRAPHS, "rate": (2, 10, 40), "jobs": (200,)},
    quick={"graphs": ("small",), "rate": (20,), "jobs": (10,)},
    repeats=1,
    told={
        "latency p50": "{graphs} jobs arriving at {rate}/s: median time from a job's arrival to its end",
        "latency p99": "{graphs} jobs arriving at {rate}/s: 99th percentile of that time",
    },
)
def serve(bench: Bench, *, graphs: str, rate: int, jobs: int) -> Iterator[Figure]:
    """Jobs/s and latency percentiles by arrival rate, of small and of mixed graphs, over HTTP.

    Open loop: jobs come at random moments (a Poisson process of ``rate`` a second), also while others wait, and a
    job's latency counts from the moment it was due. ``mixed``: of five jobs three of two nodes, one of thirty, and a
    picture of the embedded model.
    """
    if graphs not in GRAPHS:
        raise DagfusionError(f"there are no graphs '{graphs}'", remedy=f"one of: {', '.join(GRAPHS)}")
    service = bench.open("service", lambda: running(bench.folder / "service", threads=None, queue_limit="100000"))
    bench.once("warm", lambda: asyncio.run(arrive(service, [0.0] * 5, "mixed")))
    percentiles: dict[int, list[float]] = {50: [], 90: [], 99: []}
    throughput = []
    for repeat in range(bench.repeats):
        started_at = time.perf_counter()
        latencies = asyncio.run(arrive(service, moments(jobs, rate, repeat), graphs))
        throughput.append(jobs / (time.perf_counter() - started_at))
        cuts = statistics.quantiles(latencies, n=100, method="inclusive")
        for percent, samples in percentiles.items():
            samples.append(cuts[percent - 1])
    yield Figure("jobs", "1/s", throughput, better="higher")
    for percent, samples in percentiles.items():
        yield Figure(f"latency p{percent}", "s", samples)


def moments(jobs: int, rate: float, seed: int) -> list[float]:
    """When each job is due, in seconds: gaps between them are exponential, of mean 1 / ``rate``."""
    draw = random.Random(seed)
    return list(itertools.accumulate(draw.expovariate(rate) for _ in range(jobs)))


async def arrive(service: Service, due_s: list[float], graphs: str) -> list[float]:
    """Submit a job at each moment and wait for all; the seconds from each moment to its job's end."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=service.url, timeout=LONGEST_S + 30, limits=limits) as client:
        started_at = time.perf_counter()

        async def job(due: float, prompt: Prompt) -> float:
            await asyncio.sleep(due - (time.perf_counter() - started_at))
            reply = await client.post("/v1/jobs", json={"workflow": prompt}, params={"wait": LONGEST_S})
            state = reply.json().get("state") if reply.is_success else reply.text[:300]
            if state != "completed":
                raise DagfusionError(f"a job did not end well: {state}")
            return time.perf_counter() - started_at - due

        return await asyncio.gather(*(job(due, graph(graphs, number)) for number, due in enumerate(due_s)))


def graph(kind: str, number: int) -> Prompt:
    """The prompt of the n-th job, of which nothing is cached."""
    new = next(_numbers)
    if kind == "small" or number % 5 < 3:
        return picture_prompt(new)
    if number % 5 == 3:
        return _wire(pictures(30, new))
    return _wire(text_to_image(checkpoint_of("tiny"), size_px=64, steps=4, seed=new))


def _wire(nodes: Nodes) -> Prompt:
    return {node_id: node.as_wire() for node_id, node in nodes.items()}
