"""Brings one file from its source into a :class:`PartialFile`: resumes, retries, and checks what arrived."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import httpx

from adapters.host.models.document import ListedModel, LocalFile
from adapters.host.models.errors import PullFailed
from adapters.host.models.events import Advanced, Listener, Retrying
from adapters.host.models.part import CHUNK_BYTES, PartialFile
from adapters.host.models.replies import Interrupted, start_byte, validators
from adapters.host.models.sites import Sites, shown

MAX_REDIRECTS = 10
LEAST_BYTES = 32 * 2**10


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """``attempts`` in a row may fail without bringing 32 KiB; between them, ``delay_s`` doubles up to ``longest_s``.

    ``stall_s``: a server that is silent for so long, or brings less than 32 KiB in that time, is taken for gone.
    ``most_attempts``: those that brought something count as well here.
    """

    attempts: int = 6
    most_attempts: int = 200
    delay_s: float = 1.0
    longest_s: float = 30.0
    stall_s: float = 30.0


PATIENCE = TransferLimits()


def http_client(patience: TransferLimits, connections: int) -> httpx.AsyncClient:
    """A client that follows redirects; it drops the Authorization header where one leads to another origin."""
    return httpx.AsyncClient(
        follow_redirects=True,
        max_redirects=MAX_REDIRECTS,
        timeout=httpx.Timeout(patience.stall_s, pool=None),
        limits=httpx.Limits(max_connections=connections),
        headers={"User-Agent": "dagfusion", "Accept-Encoding": "identity"},
    )


@dataclass(frozen=True, slots=True)
class Transfer:
    """What all transfers of a pull share."""

    client: httpx.AsyncClient
    sites: Sites
    patience: TransferLimits
    hear: Listener

    async def fetch(self, model: ListedModel, part: PartialFile) -> None:
        """Fill ``part`` with the whole file. Raises ``PullFailed`` (the part stays, to go on with) and ``OSError``."""
        if isinstance(model.source, LocalFile):
            await self._copy(model, Path(model.source.path), part)
        else:
            await self._download(model, self.sites.address(model.source), part)

    async def _download(self, model: ListedModel, url: str, part: PartialFile) -> None:
        failures = attempts = 0
        most_bytes = part.size_bytes
        while part.size_bytes != model.size_bytes:
            try:
                await self._receive(model, url, part)
            except (httpx.InvalidURL, httpx.TooManyRedirects, httpx.UnsupportedProtocol) as error:
                raise PullFailed("refused", f"{model.label}: {error}", remedy="check the source") from error
            except (Interrupted, httpx.TransportError) as error:
                failures = 1 if part.size_bytes >= most_bytes + LEAST_BYTES else failures + 1
                most_bytes = max(most_bytes, part.size_bytes)
                attempts += 1
                reason = _reason(error)
                if failures >= self.patience.attempts or attempts >= self.patience.most_attempts:
                    raise _given_up(model, part, reason) from error
                delay_s = self._delay_s(failures, error)
                self.hear(Retrying(model, reason, delay_s))
                await anyio.sleep(delay_s)

    async def _receive(self, model: ListedModel, url: str, part: PartialFile) -> None:
        if part.size_bytes > model.size_bytes:
            part.restart()
        headers = self.sites.authorization(url)
        if part.size_bytes:
            headers["Range"] = f"bytes={part.size_bytes}-"
            if condition := next(iter(part.validators.values()), None):
                headers["If-Range"] = condition
        async with self.client.stream("GET", url, headers=headers) as response:
            try:
                start = start_byte(response, model, part.size_bytes, self.sites)
            except Interrupted:
                if response.status_code in (206, 416):
                    part.restart()
                raise
            found = validators(response)
            if start != part.size_bytes:
                part.restart()
            elif start and part.validators and found and part.validators != found:
                part.restart()
                raise Interrupted("the file at the server has changed")
            part.pieced = part.size_bytes > 0
            part.note(found)
            self.hear(Advanced(model, part.size_bytes))
            await self._pour(response, model, part)

    async def _pour(self, response: httpx.Response, model: ListedModel, part: PartialFile) -> None:
        window_s, window_bytes = time.monotonic(), part.size_bytes
        try:
            async for chunk in response.aiter_raw():
                if part.size_bytes + len(chunk) > model.size_bytes:
                    part.restart()
                    raise _too_long(model, str(response.url))
                part.append(chunk)
                self.hear(Advanced(model, part.size_bytes))
                if time.monotonic() - window_s > self.patience.stall_s:
                    if part.size_bytes - window_bytes < LEAST_BYTES and part.size_bytes < model.size_bytes:
                        raise Interrupted("the server trickles")
                    window_s, window_bytes = time.monotonic(), part.size_bytes
        finally:
            part.flush()
        if part.size_bytes < model.size_bytes:
            raise Interrupted(f"the file ended after {part.size_bytes:,} of {model.size_bytes:,} bytes")

    async def _copy(self, model: ListedModel, path: Path, part: PartialFile) -> None:
        part.restart()
        if not path.is_file() or not os.access(path, os.R_OK):
            message = f"{model.label}: {path} is not a file that can be read here"
            raise PullFailed("missing", message, remedy="check the path in the manifest")
        async with await anyio.open_file(path, "rb") as file:
            while chunk := await file.read(CHUNK_BYTES):
                await anyio.to_thread.run_sync(part.append, chunk)
                self.hear(Advanced(model, part.size_bytes))
                if part.size_bytes > model.size_bytes:
                    part.restart()
                    raise _too_long(model, str(path))
        if part.size_bytes < model.size_bytes:
            message = f"{model.label}: {path} has {part.size_bytes:,} bytes, the manifest says {model.size_bytes:,}"
            raise PullFailed("size_wrong", message, remedy="check the source, then size_bytes and sha256")

    def _delay_s(self, failures: int, error: Exception) -> float:
        asked = error.delay_s if isinstance(error, Interrupted) else None
        if asked is not None:
            return asked
        delay_s = min(self.patience.delay_s * 2.0 ** (failures - 1), self.patience.longest_s)
        return delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads machines that start together


def _reason(error: Exception) -> str:
    match error:
        case Interrupted():
            return error.reason
        case httpx.ReadTimeout() | httpx.WriteTimeout():
            return "the server went silent"
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "the server cannot be reached"
        case _:
            return "the connection broke off"


def _given_up(model: ListedModel, part: PartialFile, reason: str) -> PullFailed:
    message = f"{model.label}: {reason}, again and again; {part.size_bytes:,} of {model.size_bytes:,} bytes are here"
    return PullFailed("unreachable", message, remedy="pull again later: it goes on where it stopped")


def _too_long(model: ListedModel, where: str) -> PullFailed:
    place = shown(where) if "://" in where else where
    message = f"{model.label}: {place} has more than the {model.size_bytes:,} bytes that the manifest says"
    return PullFailed("size_wrong", message, remedy="check the source, then size_bytes and sha256")
