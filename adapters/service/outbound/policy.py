"""Which hosts may be contacted: public ones, and those that the operator has listed."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network

import anyio
import anyio.to_thread
import httpx

from adapters.service.outbound.errors import AddressRefused, FetchFailed
from adapters.service.outbound.networks import METADATA, Address, Network, inner_address, special_kind
from adapters.service.outbound.urls import is_host_name, literal_address, shown_url
from engine.errors import DagfusionError

# From a host name and port to its IP addresses as texts. Raises ``OSError`` where there are none.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class SystemResolver:
    """What the machine's own resolver answers, asked on threads of its own: names that get no answer take long."""

    def __init__(self, threads: int = 64) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of ``host``, in the order in which they should be tried. Raises ``OSError``."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=self._limiter)
        return [str(address[4][0]) for address in found]


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts and networks that may be contacted although they are not public. Metadata services never may."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> AllowList:
        """From host names, IP addresses and CIDR networks. Raises ``DagfusionError`` naming a malformed one."""
        hosts: set[str] = set()
        networks: list[Network] = []
        for entry in filter(None, (entry.strip().lower() for entry in entries)):
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                if not is_host_name(entry):
                    raise DagfusionError(
                        f"'{entry}' is neither a host nor a network: {error}",
                        remedy="write a host name, an IP address or a network such as 10.0.0.0/8",
                    ) from error
                hosts.add(entry)
        return cls(frozenset(hosts), tuple(networks))

    def covers(self, host: str, address: Address) -> bool:
        """Whether the host, or the address that it resolved to, is listed."""
        listed = host in self.hosts or any(address in network for network in self.networks)
        return listed and address not in METADATA


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Resolves hosts, and refuses those of which *any* address is neither public nor listed in ``allowed``."""

    allowed: AllowList = field(default_factory=AllowList)
    resolve: Resolver = field(default_factory=SystemResolver)

    async def addresses(self, url: httpx.URL) -> list[Address]:
        """The addresses that the URL's host may be contacted at, in the resolver's order.

        Resolves once; whoever connects must connect to one of these and not resolve again. Raises ``AddressRefused``,
        or ``FetchFailed`` for a host that is not found.
        """
        host = url.raw_host.decode("ascii")
        literal = literal_address(host)
        found = [literal] if literal is not None else await self._resolved(url, host)
        for address in found:
            inner = inner_address(address)
            kind = special_kind(inner)
            if kind is not None and not self.allowed.covers(host, inner):
                raise AddressRefused(
                    f"{shown_url(url)} leads to a {kind} address",
                    remedy="only public addresses are contacted, and those that DAGFUSION_ALLOWED_HOSTS lists",
                )
        return found

    async def _resolved(self, url: httpx.URL, host: str) -> list[Address]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            texts = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"the host of {shown_url(url)} is not found", remedy="check its spelling") from error
        try:
            found = [ip_address(text) for text in dict.fromkeys(texts)]
        except ValueError as error:
            raise AddressRefused(f"the host of {shown_url(url)} resolves to what is no address") from error
        if not found:
            raise FetchFailed(f"the host of {shown_url(url)} has no address")
        return found
