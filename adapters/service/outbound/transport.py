"""An httpx transport that connects to the address that was checked, and to no other."""

from __future__ import annotations

import ssl
from functools import cached_property

import httpx

from adapters.service.outbound.networks import Address
from adapters.service.outbound.policy import AddressPolicy

MAX_ADDRESSES_TRIED = 4


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves and checks the host of each request, then connects to that very address under the host's name.

    The host's name stays in the ``Host`` header, in TLS (SNI) and in the check of the certificate. No proxies, and no
    connection is used twice: a kept one is found by its address, under which another host's requests would go out.
    Raises ``AddressRefused`` and ``FetchFailed``, and httpx's errors.
    """

    def __init__(self, policy: AddressPolicy, *, verify: ssl.SSLContext | bool = True) -> None:
        self._policy = policy
        self._verify = verify

    @cached_property
    def _http(self) -> httpx.AsyncHTTPTransport:
        """Made at the first request: reading the authorities' certificates takes a while."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        return httpx.AsyncHTTPTransport(verify=self._verify, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Try the host's addresses in order until one can be connected to."""
        *others, last = (await self._policy.addresses(request.url))[:MAX_ADDRESSES_TRIED]
        for address in others:
            try:
                return await self._http.handle_async_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # Nothing was sent yet.
        return await self._http.handle_async_request(_addressed(request, last))

    async def aclose(self) -> None:
        """Close all connections."""
        if "_http" in self.__dict__:
            await self._http.aclose()


def _addressed(request: httpx.Request, address: Address) -> httpx.Request:
    name = request.url.raw_host.decode("ascii")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name},
    )
