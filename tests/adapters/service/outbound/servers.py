"""HTTP servers on loopback that answer as a test wants: late, endlessly, half way, to somewhere else."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.service.outbound.policy import AddressPolicy, AllowList, Resolver

LOOPBACK = AllowList.parse(["127.0.0.0/8"])


@dataclass
class Request:
    """A request as it arrived: ``line`` is the request line, header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Where a server listens, and what it was sent. ``open``: connections right now; ``most_open``: at most so far."""

    port: int
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    most_open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server for as long as the context lasts; connections still open at its end are cut."""
    server = Server(0)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError
            ):
                request = await _read(reader)
                server.requests.append(request)
                await answer(request, writer)
                await writer.drain()
        finally:
            server.open -= 1
            tasks.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        while tasks:
            await asyncio.sleep(0.005)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def reply(body: bytes = b"", *headers: str, status: int = 200, length: int | None = None) -> Answer:
    """An ordinary answer; ``length`` lies about its length."""

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} X", f"content-length: {len(body) if length is None else length}", *headers]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)

    return answer


def redirect(location: str) -> Answer:
    """302 to ``location``."""
    return reply(b"", f"location: {location}", status=302)


async def stall(_: Request, __: asyncio.StreamWriter) -> None:
    """No answer."""
    await asyncio.sleep(3600)


async def trickle(_: Request, writer: asyncio.StreamWriter) -> None:
    """A header, byte by byte, without end: each byte is a sign of life."""
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
    """A body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"z" * 65536)
        await writer.drain()


def names(**addresses: str | Sequence[str]) -> Resolver:
    """A resolver that knows these names; anything else is not found."""
    known = {name: [found] if isinstance(found, str) else list(found) for name, found in addresses.items()}

    async def resolve(host: str, _: int) -> Sequence[str]:
        if host not in known:
            raise OSError(f"{host} is not known")
        return known[host]

    return resolve


def loopback_policy(**addresses: str | Sequence[str]) -> AddressPolicy:
    """May contact 127.0.0.0/8, and looks names up in ``addresses`` alone."""
    return AddressPolicy(LOOPBACK, names(**addresses))
