"""How the service is doing: the queue, the workers, their memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psutil
from fastapi import APIRouter
from pydantic import BaseModel, Field

from adapters.doors.http.auth import Caller
from adapters.doors.http.native.access import Reader
from adapters.doors.http.native.moments import moment
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.store.records import JobState, WorkerRecord

router = APIRouter(tags=["operations"])


class WorkerDocument(BaseModel):
    """A worker process that is alive. `info`: its device, models, memory, cache, and the jobs it has in hand."""

    id: str
    state: str = Field(examples=["starting", "ready", "draining"])
    host: str
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    info: dict[str, Any]


class Stats(BaseModel):
    """`jobs`: how many are in each state, of those that are still kept."""

    jobs: dict[JobState, int]
    queue_limit: int
    oldest_waiting_s: float
    workers: list[WorkerDocument]


class Ram(BaseModel):
    """Memory of the machine that the web process runs on, in bytes."""

    total_bytes: int
    available_bytes: int
    web_process_bytes: int


class WorkerMemory(BaseModel):
    """Memory as a worker sees it: `process_bytes`, `ram_total_bytes`, and with a GPU `vram_total_bytes` and more."""

    worker: str
    device: str | None = None
    memory: dict[str, int]
    models_bytes: int = 0
    cache_bytes: int = 0


class MemoryInfo(BaseModel):
    """Memory of this machine and of all workers."""

    ram: Ram
    workers: list[WorkerMemory]


@router.get("/v1/stats", operation_id="get_stats", summary="Queue and workers")
def get_stats(now: ServicesNow, caller: Reader) -> Stats:
    """How many jobs you have (all there are, with the scope `admin`), the queue's age, and what the workers do."""
    return Stats(
        jobs={state: now.store.jobs.count(state, caller.only_owner) for state in JobState},
        queue_limit=now.settings.queue_limit,
        oldest_waiting_s=round(now.store.jobs.oldest_waiting_s(), 3),
        workers=[_worker(worker, caller) for worker in alive(now)],
    )


@router.get("/memory-info", operation_id="get_memory_info", summary="Memory of machine and workers")
def get_memory_info(now: ServicesNow, _caller: Reader) -> MemoryInfo:
    """RAM here and at each worker; VRAM, and what torch has of it, where a worker has a GPU."""
    ram = psutil.virtual_memory()
    return MemoryInfo(
        ram=Ram(
            total_bytes=ram.total,
            available_bytes=ram.available,
            web_process_bytes=psutil.Process().memory_info().rss,
        ),
        workers=[_memory(worker) for worker in alive(now)],
    )


def alive(now: Services) -> list[WorkerRecord]:
    """Workers whose heartbeat is fresh."""
    return now.store.workers.alive(now.settings.lease_s)


def _worker(worker: WorkerRecord, caller: Caller) -> WorkerDocument:
    hidden = () if caller.is_admin else ("jobs", "lacks")  # whose they are is not known here
    return WorkerDocument(
        id=worker.id,
        state=worker.state,
        host=worker.host,
        pid=worker.pid,
        started_at=moment(worker.started_at),
        heartbeat_at=moment(worker.heartbeat_at),
        info={name: value for name, value in worker.info.items() if name not in hidden},
    )


def _memory(worker: WorkerRecord) -> WorkerMemory:
    return WorkerMemory(
        worker=worker.id,
        device=worker.info.get("device"),
        memory=worker.info.get("memory", {}),
        models_bytes=worker.info.get("models_bytes", 0),
        cache_bytes=worker.info.get("cache", {}).get("bytes", 0),
    )
