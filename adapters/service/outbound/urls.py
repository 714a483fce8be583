"""Reading an address that a user gave, strictly: one that two programs could read differently is refused."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address, ip_address

import httpx

from adapters.service.outbound.errors import AddressRefused
from adapters.service.outbound.networks import Address

MAX_URL_CHARS = 8192
_FORM = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)", re.IGNORECASE | re.ASCII)
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
# How the last label of an IPv4 address looks in any of its spellings; no top-level domain is a number.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_OTHER_FULL_STOPS = "\u3002\uff0e\uff61"


def parse_url(text: str) -> httpx.URL:
    """The address, its host in lower-case ASCII. Raises ``AddressRefused`` for anything but a plain http(s) URL."""
    if len(text) > MAX_URL_CHARS:
        raise AddressRefused(f"an address of {len(text)} characters is too long", remedy=f"at most {MAX_URL_CHARS}")
    if found := _AMBIGUOUS.search(text):
        raise AddressRefused(f"the address {_shown(text)} holds {found.group()!r}", remedy="percent-encode it")
    form = _FORM.match(text)
    if form is None or form["scheme"].lower() not in ("http", "https"):
        raise AddressRefused(f"{_shown(text)} is no http or https address", remedy="write https://host/path")
    if "@" in form["authority"]:
        # Not shown: it is a secret, or meant to be mistaken for the host.
        raise AddressRefused("the address carries a user name or password", remedy="leave out all before the '@'")
    if any(stop in form["authority"] for stop in _OTHER_FULL_STOPS) or not _is_normal(form["authority"]):
        raise AddressRefused(f"the host of {_shown(text)} is spelled in an odd way", remedy="use plain digits and dots")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"{_shown(text)} is no address: {error}") from error
    _check_host(host, text)
    if url.port is not None and not 1 <= url.port <= 65535:
        raise AddressRefused(f"{_shown(text)} names port {url.port}", remedy="a port is 1 to 65535")
    return url.copy_with(fragment=None)


def literal_address(host: str) -> Address | None:
    """The IP address that a host (without brackets) is, in its one ordinary spelling; ``None`` for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id else address


def shown_url(url: httpx.URL) -> str:
    """For messages: scheme, host and path. The query stays out, since that is where signatures and tokens are."""
    text = str(url.copy_with(query=None, fragment=None))
    return f"'{text}'" if len(text) <= 200 else f"'{text[:200]}...'"


def is_host_name(text: str) -> bool:
    """Whether it is a name in lower-case ASCII that no program can take for an IP address."""
    labels = text.split(".")
    named = len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return named and not _NUMBER.fullmatch(labels[-1])


def _check_host(host: str, text: str) -> None:
    if literal_address(host) is not None or is_host_name(host):
        return
    dotted = host.endswith(".") and host.strip(".")
    remedy = "leave out the dot at its end" if dotted else "write a name, four decimal numbers, or IPv6 in brackets"
    raise AddressRefused(f"the host of {_shown(text)} is neither a host name nor an IP address", remedy=remedy)


def _is_normal(text: str) -> bool:
    return unicodedata.normalize("NFKC", text) == text


def _shown(text: str) -> str:
    bare = re.split(r"[?#]", text, maxsplit=1)[0]
    return repr(bare if len(bare) <= 100 else f"{bare[:100]}...")
