"""Kills worker, web process or both at random moments while jobs run, and looks for what was lost or done twice.

``python -m benchmarks.crash [--kills 200] [--jobs 100] [--seed N]`` prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from adapters.service.store.records import JobState
from benchmarks.service import Service, running, until

NODES = Path(__file__).parent / "nodes"
_VICTIMS = ("worker", "web", "both")
_MAX_WAIT_S = 1.0  # a kill comes so long, at most, after everything is up again
_EARLY = 0.2  # of the kills do not wait for that
_ALL_DONE_S = 180.0


@dataclass
class CrashReport:
    """What was done, and what was found wrong: every list of job ids should be empty."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_VICTIMS, 0))
    jobs: int = 0
    seconds: float = 0.0
    restarts_of_jobs: int = 0
    repeated_deliveries: int = 0
    lost: list[str] = field(default_factory=list)
    submitted_twice: list[str] = field(default_factory=list)
    completed_twice: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    wrong_outputs: list[str] = field(default_factory=list)
    wrong_deliveries: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[str]]:
        """Everything that is not as it should be."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, list) and value}


class WebhookReceiver:
    """Takes webhook messages: the ids that came for each job, with repeats."""

    def __init__(self) -> None:
        self.ids: defaultdict[str, list[str]] = defaultdict(list)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.ids[body["job_id"]].append(self.headers["webhook-id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def listening(self) -> Iterator[WebhookReceiver]:
        """Within the block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


def run(folder: Path, kills: int, jobs: int, seed: int, *, steps: int = 10) -> CrashReport:
    """Kill ``kills`` times while at least ``jobs`` jobs of ``steps`` twentieths of a second run; then look."""
    chance = random.Random(seed)
    report = CrashReport()
    receiver = WebhookReceiver()
    settings = {"nodes": str(NODES), "allowed_hosts": "127.0.0.1", "lease_s": "5", "max_attempts": "100"}
    started_at = time.monotonic()
    with receiver.listening(), running(folder, ready=True, threads=1, **settings) as service:
        client = _Client(service, receiver, steps)
        client.add(jobs)
        for _ in range(kills):
            if client.unfinished() < 5:
                client.add(10)
            if chance.random() > _EARLY:
                until(lambda: _all_up(service), 120)
                time.sleep(chance.uniform(0, _MAX_WAIT_S))
            victim = chance.choice(_VICTIMS)
            _kill(service, victim)
            report.kills[victim] += 1
        client.finish()
        until(lambda: not client.unfinished(), _ALL_DONE_S + client.sent)
        until(lambda: not service.store.outbox.find(state="pending"), _ALL_DONE_S)
        report.seconds = time.monotonic() - started_at
        _look(service, client, receiver, report)
    return report


class _Client:
    """Submits over HTTP, again and again with the same idempotency key until it is answered, as a good client does."""

    def __init__(self, service: Service, receiver: WebhookReceiver, steps: int) -> None:
        self._service, self._steps = service, steps
        self._webhook = {"url": receiver.url, "events": ["completed", "failed", "cancelled"]}
        self.ids: dict[str, str] = {}
        self.sent = 0
        self._threads: list[threading.Thread] = []

    def add(self, count: int) -> None:
        """Submit so many more, in the background."""
        numbers = range(self.sent, self.sent + count)
        self.sent += count
        thread = threading.Thread(target=self._submit_all, args=(numbers,), daemon=True)
        thread.start()
        self._threads.append(thread)

    def finish(self) -> None:
        """Wait until all are answered."""
        for thread in self._threads:
            thread.join()

    def unfinished(self) -> int:
        """Jobs that have not ended, or not arrived."""
        return self.sent - self._service.store.jobs.count(JobState.COMPLETED)

    def _submit_all(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._submit(number)

    def _submit(self, number: int) -> None:
        key = f"job-{number}"
        request = {"workflow": _prompt(number, self._steps), "webhook": self._webhook, "idempotency_key": key}
        while key not in self.ids:
            try:
                reply = httpx.post(f"{self._service.url}/v1/jobs", json=request, timeout=30)
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if reply.status_code < 500:
                assert reply.is_success, reply.text
                self.ids[key] = reply.json()["id"]


def _prompt(number: int, steps: int) -> dict[str, Any]:
    picture = {"width": 16, "height": 16, "batch_size": 1, "color": number}
    return {
        "1": {"class_type": "EmptyImage", "inputs": picture},
        "2": {"class_type": "Pause", "inputs": {"image": ["1", 0], "steps": steps, "step_s": 0.05}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": f"crash{number}"}},
    }


def _all_up(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/ready", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _kill(service: Service, victim: str) -> None:
    for process in psutil.Process(service.process.pid).children():
        try:
            is_web = any("adapters.doors.http.process" in part for part in process.cmdline())
            if victim == "both" or (victim == "web") == is_web:
                os.kill(process.pid, signal.SIGKILL)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, ProcessLookupError):
            continue


def _look(service: Service, client: _Client, receiver: WebhookReceiver, report: CrashReport) -> None:
    report.jobs = client.sent
    known = set(client.ids.values())
    stored = {job.id for job in service.store.jobs.find(limit=10 * client.sent)}
    report.submitted_twice = sorted(stored - known)
    for job_id in known:
        job = service.store.jobs.get(job_id)
        if job is None or job.state is not JobState.COMPLETED:
            report.lost.append(job_id)
            continue
        events = service.store.events.of_job(job_id)
        kinds = [event.kind for event in events]
        report.restarts_of_jobs += kinds.count("requeued")
        if [event.number for event in events] != list(range(1, job.last_event + 1)):
            report.gaps.append(job_id)
        if kinds.count("completed") != 1 or kinds[-1] != "completed" or kinds.count("started") != job.attempts:
            report.completed_twice.append(job_id)
        if [output.name for output in service.store.jobs.outputs(job_id)] != ["3_images_0.png"]:
            report.wrong_outputs.append(job_id)
        if len(set(receiver.ids[job_id])) != 1:
            report.wrong_deliveries.append(job_id)
        report.repeated_deliveries += max(0, len(receiver.ids[job_id]) - 1)


def main() -> None:
    """Print what was found. Exit code 1 where anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), options.kills, options.jobs, options.seed)
    table = Table("", "", box=None, title="Killed at random moments", show_header=False)
    for name, value in asdict(report).items():
        table.add_row(name.replace("_", " "), str(len(value) if isinstance(value, list) else value))
    Console().print(table)
    print(json.dumps(asdict(report)))
    raise SystemExit(bool(report.faults))


if __name__ == "__main__":
    main()
