"""The client: one method for each thing that the service is asked for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import anyio
import httpx

from dagfusion_client import requests
from dagfusion_client._async.following import follow
from dagfusion_client.errors import TimedOut, Unreachable
from dagfusion_client.models import EventDocument, JobDocument, JobPage, OutputDocument, Verdict
from dagfusion_client.progress import bar
from dagfusion_client.requests import Submission, Workflow
from dagfusion_client.streams import Cursor, Preview


class AsyncClient:
    """Talks to one dagfusion service. Use it as a context manager, or call :meth:`close`.

    ``timeout_s`` is for one request; ``give_up_s`` for how long a stream tries to get its connection back.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout_s: float = 60.0, give_up_s: float = 120.0
    ) -> None:
        self._url, self._api_key, self._give_up_s = url.rstrip("/"), api_key, give_up_s
        self._http = httpx.AsyncClient(base_url=self._url, headers=requests.headers(api_key), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def submit(self, workflow: Workflow, **given: Unpack[Submission]) -> JobDocument:
        """Put a workflow into the queue: a document, or a file (JSON, or a picture that carries a workflow).

        Tries again where the connection breaks or the queue is full. Raises ``Refused``, ``Unreachable``.
        """
        arguments = requests.submission(workflow, given)
        return requests.read(await self._send("POST", "/v1/jobs", **arguments), JobDocument)

    async def generate(self, *, idempotency_key: str | None = None, **parameters: Any) -> JobDocument:
        """Put a picture by plain parameters into the queue: those of ``models.GenerateRequest``, ``prompt`` first."""
        arguments = requests.generation(parameters, idempotency_key)
        return requests.read(await self._send("POST", "/v1/generate", **arguments), JobDocument)

    async def check(self, workflow: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Verdict:
        """Everything that is wrong with a workflow, without running it."""
        body = {"workflow": workflow, "overrides": dict(overrides or {})}
        return requests.read(await self._send("POST", "/v1/check", json=body), Verdict)

    async def job(self, job_id: str, *, delivery: str | None = None) -> JobDocument:
        """The job as it stands."""
        query = requests.query(delivery=delivery)
        return requests.read(await self._send("GET", requests.path("jobs", job_id), params=query), JobDocument)

    async def jobs(self, **filters: Any) -> AsyncIterator[JobDocument]:
        """Jobs, newest first, read page by page; filters are those of ``GET /v1/jobs`` (``state``, ...)."""
        cursor: int | None = None
        while True:
            query = requests.query(cursor=cursor, **filters)
            page = requests.read(await self._send("GET", "/v1/jobs", params=query), JobPage)
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def cancel(self, job_id: str) -> JobDocument:
        """Cancel that job and no other."""
        return requests.read(await self._send("DELETE", requests.path("jobs", job_id)), JobDocument)

    async def stream(self, job_id: str, *, after: int = 0) -> AsyncIterator[EventDocument]:
        """The job's events after ``after``, each once and in order, until its end; reconnects by itself."""
        async for one in follow(self._cursor(job_id, after, previews=False)):
            if isinstance(one, EventDocument):
                yield one

    async def stream_with_previews(self, job_id: str, *, after: int = 0) -> AsyncIterator[EventDocument | Preview]:
        """Like :meth:`stream`, with unfinished pictures in between."""
        async for one in follow(self._cursor(job_id, after, previews=True)):
            yield one

    async def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_event: Callable[[EventDocument], object] | None = None,
        delivery: str | None = None,
    ) -> JobDocument:
        """The job once it is completed. Raises ``JobFailed``, ``JobCancelled``, ``TimedOut``."""
        if on_event is not None:
            async for event in self.stream(job_id):
                on_event(event)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = 30.0 if deadline is None else max(0.0, min(30.0, deadline - time.monotonic()))
            query = requests.query(wait=f"{left:.3f}", delivery=delivery)
            job = requests.read(await self._send("GET", requests.path("jobs", job_id), params=query), JobDocument)
            if job.state in requests.ENDED:
                return requests.outcome(job)
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(job_id, timeout_s or 0.0)

    async def run(self, workflow: Workflow, *, progress: bool = False, **given: Unpack[Submission]) -> JobDocument:
        """Submit, wait, and give the completed job; with a bar where ``progress`` (needs ``rich``)."""
        job = await self.submit(workflow, **given)
        with bar() if progress else nullcontext() as watch:
            return await self.wait(job.id, on_event=watch)

    async def download(self, output: OutputDocument, to: Path | str = ".") -> Path:
        """Save an output's file: to a path, or under its name into a folder. It is there whole or not at all."""
        place = requests.target(output, to)
        part = requests.part_of(place)
        try:
            async with self._http.stream("GET", output.url or "") as reply:
                if not reply.is_success:
                    await reply.aread()
                requests.check(reply)
                with part.open("wb") as file:
                    async for chunk in reply.aiter_bytes():
                        file.write(chunk)
            return part.replace(place)
        finally:
            part.unlink(missing_ok=True)

    def _cursor(self, job_id: str, after: int, *, previews: bool) -> Cursor:
        return Cursor(self._url, job_id, after, self._api_key, previews, self._give_up_s)

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        for attempt in range(requests.ATTEMPTS):
            last = attempt == requests.ATTEMPTS - 1
            try:
                reply = await self._http.request(method, path, **arguments)
            except httpx.TransportError as error:
                if last:
                    raise Unreachable(f"{self._url} does not answer: {error}") from error
                await anyio.sleep(requests.pause_s(attempt))
                continue
            if last or reply.status_code not in requests.RETRIED:
                return reply
            await anyio.sleep(requests.pause_s(attempt, reply))
        raise AssertionError("the last attempt returns or raises")
