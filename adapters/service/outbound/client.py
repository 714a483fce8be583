"""Downloads from and posts to addresses that users give, with caps on bytes, time and redirects."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio
import httpx

from adapters.service.outbound.decoding import BodyDecoder
from adapters.service.outbound.errors import FetchFailed, FetchTooLarge
from adapters.service.outbound.policy import AddressPolicy
from adapters.service.outbound.transport import GuardedTransport
from adapters.service.outbound.urls import parse_url, shown_url

_REPLY_BYTES = 1024
_USER_AGENT = "dagfusion"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What one exchange may take.

    ``max_bytes``: of a body, as sent and as decoded. ``total_s``: from look-up to last byte. ``quiet_s``: between two
    signs of life. ``connect_s``: for each address.
    """

    max_bytes: int = 256 * 2**20
    total_s: float = 60.0
    quiet_s: float = 15.0
    connect_s: float = 10.0
    max_redirects: int = 5


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to a post: its status, headers and the first KiB of its body as it was sent."""

    status: int
    headers: httpx.Headers
    excerpt: bytes


class Download:
    """A body on its way. Iterating yields its decoded bytes; raises ``FetchFailed`` at the first byte too many."""

    def __init__(self, url: httpx.URL, response: httpx.Response, limits: FetchLimits) -> None:
        self.url = str(url)
        self.media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self._shown = shown_url(url)
        self._response = response
        self._max_bytes = limits.max_bytes
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limits.max_bytes:
            raise self._too_large()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = BodyDecoder(self._response.headers.get("content-encoding", ""))
        raw_bytes = decoded_bytes = 0
        async for chunk in self._response.aiter_raw():
            raw_bytes += len(chunk)
            for piece in decoder.decode(chunk):
                decoded_bytes += len(piece)
                if max(raw_bytes, decoded_bytes) > self._max_bytes:
                    raise self._too_large()
                yield piece
        for piece in decoder.finish():
            yield piece

    def _too_large(self) -> FetchTooLarge:
        return FetchTooLarge(f"{self._shown} has more than {self._max_bytes:,} bytes", remedy="give a smaller file")


class OutboundClient:
    """HTTP for addresses that users give. Keeps neither cookies nor connections; safe for any number of tasks."""

    def __init__(self, policy: AddressPolicy | None = None, *, verify: ssl.SSLContext | bool = True) -> None:
        self._transport = GuardedTransport(policy or AddressPolicy(), verify=verify)

    @asynccontextmanager
    async def download(self, url: str, limits: FetchLimits | None = None) -> AsyncIterator[Download]:
        """GET, following redirects, each checked like the first address.

        The time limit covers what is done inside the ``async with``. Raises ``AddressRefused``, and ``FetchFailed``
        for any answer but 200.
        """
        limits = limits or FetchLimits()
        parsed = parse_url(url)
        with _one_error(parsed, limits), anyio.fail_after(limits.total_s):
            final, response = await self._follow(parsed, limits)
            try:
                if response.status_code != 200:
                    status = response.status_code
                    raise FetchFailed(f"{shown_url(final)} answers with status {status}", status=status)
                yield Download(final, response, limits)
            finally:
                await response.aclose()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], limits: FetchLimits | None = None
    ) -> HttpReply:
        """POST, following no redirects; whatever is answered is the reply.

        Raises ``AddressRefused``, and ``FetchFailed`` where there is no answer.
        """
        limits = limits or FetchLimits()
        parsed = parse_url(url)
        with _one_error(parsed, limits), anyio.fail_after(limits.total_s):
            response = await self._send("POST", parsed, limits, headers=headers, body=body)
            try:
                return HttpReply(response.status_code, response.headers, await _first_bytes(response))
            finally:
                await response.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _follow(self, url: httpx.URL, limits: FetchLimits) -> tuple[httpx.URL, httpx.Response]:
        for _ in range(limits.max_redirects + 1):
            response = await self._send("GET", url, limits)
            if not response.has_redirect_location:
                return url, response
            # Its body is not read: it may have no end.
            await response.aclose()
            location = response.headers["location"].strip()
            if not location:
                raise FetchFailed(f"{shown_url(url)} redirects to nowhere", remedy="give the file's own address")
            url = parse_url(str(url.join(location)))
        raise FetchFailed(f"{shown_url(url)} comes after {limits.max_redirects} redirects", remedy="give the last one")

    async def _send(
        self,
        method: str,
        url: httpx.URL,
        limits: FetchLimits,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> httpx.Response:
        timeout = httpx.Timeout(limits.quiet_s, connect=limits.connect_s)
        own = {"accept": "*/*", "accept-encoding": "identity", "user-agent": _USER_AGENT, "connection": "close"}
        request = httpx.Request(
            method, url, headers={**own, **(headers or {})}, content=body, extensions={"timeout": timeout.as_dict()}
        )
        return await self._transport.handle_async_request(request)


async def _first_bytes(response: httpx.Response) -> bytes:
    found = b""
    async for chunk in response.aiter_raw():
        found += chunk
        if len(found) >= _REPLY_BYTES:
            break
    return found[:_REPLY_BYTES]


@contextmanager
def _one_error(url: httpx.URL, limits: FetchLimits) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise FetchFailed(f"{shown_url(url)} took more than {limits.total_s:g} s") from error
    except httpx.TimeoutException as error:
        raise FetchFailed(f"{shown_url(url)} does not answer") from error
    except httpx.ConnectError as error:
        raise FetchFailed(f"{shown_url(url)} cannot be connected to: {error}") from error
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        raise FetchFailed(f"{shown_url(url)} does not answer as HTTP says: {error or type(error).__name__}") from error
