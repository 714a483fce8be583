"""Figures for Prometheus: what the event log tells, what the database and the workers say when they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.services import Services
from adapters.service.store.records import ENDED, JobState, Preview, StoredEvent, WorkerRecord

router = APIRouter(tags=["operations"])
_JOB_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_NODE_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_OUTCOMES = frozenset(str(state) for state in ENDED)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text format."}},
)
def get_metrics(request: Request, _caller: Annotated[Caller, Depends(require("read"))]) -> Response:
    """Queue depth and age, jobs and nodes by seconds, cache, models, memory, requests."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


class Metrics:
    """Counts from the start of this process; what happened while no web process ran is not counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names: dict[str, Any] = {"registry": self.registry, "namespace": "dagfusion"}
        self._jobs = Counter("jobs", "Jobs that have ended", ["outcome"], **names)
        self._job_s = Histogram(
            "job_seconds", "From a job's last start to its end", ["outcome"], buckets=_JOB_BUCKETS, **names
        )
        self._wait_s = Histogram("job_wait_seconds", "From submission to first start", buckets=_JOB_BUCKETS, **names)
        self._requeued = Counter("jobs_requeued", "Jobs that were taken from a worker that died", **names)
        self._node_s = Histogram(
            "node_seconds", "What nodes took that were not cached", ["class_type"], buckets=_NODE_BUCKETS, **names
        )
        self._cached = Counter("cached_steps", "Steps whose results were cached", **names)
        self._requests = Counter("http_requests", "Requests", ["method", "route", "status"], **names)
        self._request_s = Histogram("http_request_seconds", "What requests took", ["route"], **names)
        self._since: dict[str, float] = {}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. A socket's or a stream's seconds are how long it was open, so they are left out."""
        self._requests.labels(method, route, str(status)).inc()
        if method != "WS" and not route.endswith("/events"):
            self._request_s.labels(route).observe(seconds)

    async def follow(self, now: Services) -> None:
        """Count what happens to jobs, until cancelled."""
        position = await run_sync(now.store.events.last_position)
        async with aclosing(now.tail.follow(None, position)) as batches:
            async for batch in batches:
                for event in () if isinstance(batch, Preview) else batch:
                    self._count(event)

    def _count(self, event: StoredEvent) -> None:
        """``_since`` holds when a job was submitted, then when it was started last."""
        since = self._since.get(event.job_id, event.time)
        if event.kind == "queued":
            self._since[event.job_id] = event.time
        elif event.kind == "started":
            if event.data.get("attempt") == 1:
                self._wait_s.observe(event.time - since)
            self._since[event.job_id] = event.time
        elif event.kind == "run_started":
            self._cached.inc(len(event.data.get("cached", ())))
        elif event.kind == "node_finished" and not event.data.get("cached"):
            self._node_s.labels(event.data["class_type"]).observe(event.data["seconds"])
        elif event.kind == "requeued":
            self._requeued.inc()
        elif event.kind in _OUTCOMES:
            self._jobs.labels(event.kind).inc()
            self._job_s.labels(event.kind).observe(event.time - since)
            self._since.pop(event.job_id, None)


class Now(Collector):
    """What is asked for at each scrape: the queue, and what the workers' heartbeats say."""

    def __init__(self, now: Services) -> None:
        self._now = now

    def describe(self) -> list[Metric]:
        """Nothing: there is no need to ask the database when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures as they stand."""
        jobs = GaugeMetricFamily("dagfusion_queue_jobs", "Jobs that wait or run", labels=["state"])
        for state in (JobState.QUEUED, JobState.RUNNING):
            jobs.add_metric([str(state)], self._now.store.jobs.count(state))
        yield jobs
        oldest_s = self._now.store.jobs.oldest_waiting_s()
        yield GaugeMetricFamily("dagfusion_queue_oldest_seconds", "How long the oldest waiting job waits", oldest_s)
        workers = self._now.store.workers.alive(self._now.settings.lease_s)
        states = GaugeMetricFamily("dagfusion_workers", "Workers that are alive", labels=["state"])
        for name in ("starting", "ready", "draining"):
            states.add_metric([name], sum(worker.state == name for worker in workers))
        yield states
        yield from _of_workers(workers)


def _of_workers(workers: list[WorkerRecord]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for worker in workers:
        for name, value in _figures(worker).items():
            known = f"dagfusion_worker_{name}"
            family = families.setdefault(known, GaugeMetricFamily(known, "As its heartbeat says", labels=["worker"]))
            family.add_metric([worker.id], value)
    yield from families.values()


def _figures(worker: WorkerRecord) -> dict[str, float]:
    """``memory_process_bytes``, ``cache_hits``, ``disk_cache_hits``, ``models_bytes`` ... of what the worker says."""
    info = worker.info
    parts = {part: info.get(part, {}) for part in ("memory", "cache", "disk_cache")}
    figures = {f"{part}_{name}": value for part, values in parts.items() for name, value in values.items()}
    named = ("models_bytes", "models_budget_bytes", "model_loads", "steps_joined")
    figures |= {name: info[name] for name in named if name in info}
    figures["models"] = len(info.get("models", ()))
    figures["jobs"] = len(info.get("jobs", ()))
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
