"""``dagfusion bench service``: what the service costs beside the jobs themselves."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator

from benchmarks import serve
from benchmarks.case import Bench, Figure, case
from benchmarks.service import running

WHAT = ("start", "overhead", "queue", "watch", "reconnect")


@case(
    "service",
    axes={"what": WHAT, "jobs": (1000,), "watchers": (200,)},
    quick={"what": ("overhead",), "jobs": (10,), "watchers": (5,)},
    repeats=1,
    told={},
)
def service(bench: Bench, *, what: str, jobs: int, watchers: int) -> Iterator[Figure]:
    """The service itself: start, overhead of a small job, throughput of the queue, watchers, reconnecting clients."""
    for repeat in range(bench.repeats):
        folder = bench.folder / f"{what}{repeat}"
        if what == "start":
            rows = serve.start_up(folder)
        else:
            options = argparse.Namespace(jobs=jobs, watchers=watchers, only=what)
            with running(folder, nodes=str(serve.NODES), queue_limit=str(2 * jobs)) as started:
                rows = asyncio.run(serve.measure(started, options))
        for row in rows:
            yield Figure(row.figure, row.unit, [row.value])
