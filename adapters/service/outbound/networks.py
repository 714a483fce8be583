"""Which IP addresses are public: the special-purpose registries of IANA (RFC 6890 and its successors), by kind."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds hand out credentials. Azure's lies in a public range, Alibaba's in that of carriers.
METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)
_SPECIAL_V4: Mapping[str, tuple[str, ...]] = {
    "unspecified": ("0.0.0.0/8",),
    "loopback": ("127.0.0.0/8",),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "carrier-grade NAT": ("100.64.0.0/10",),
    "link-local": ("169.254.0.0/16",),
    "reserved": ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
    "documentation": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "multicast": ("224.0.0.0/4",),
}
# Within 2000::/3, the only part of IPv6 that is routed on the Internet. 2001::/23 holds Teredo, 2002::/16 is 6to4:
# tunnels that carry any IPv4 address, and that nobody serves from.
_SPECIAL_V6: Mapping[str, tuple[str, ...]] = {
    "unspecified": ("::/128",),
    "loopback": ("::1/128",),
    "link-local": ("fe80::/10",),
    "private": ("fc00::/7", "fec0::/10"),
    "multicast": ("ff00::/8",),
    "tunnelled": ("2001::/23", "2002::/16"),
    "documentation": ("2001:db8::/32", "3fff::/20"),
}
_NETWORKS_V4 = [(kind, IPv4Network(text)) for kind, texts in _SPECIAL_V4.items() for text in texts]
_NETWORKS_V6 = [(kind, IPv6Network(text)) for kind, texts in _SPECIAL_V6.items() for text in texts]
_ROUTED_V6 = IPv6Network("2000::/3")
# IPv4 in other clothes: mapped (RFC 4291) and what DNS64 gives hosts that speak IPv6 only (RFC 6052).
_CARRIES_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def inner_address(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped or NAT64 one stands for; any other one is returned as it is."""
    if isinstance(address, IPv6Address) and any(address in network for network in _CARRIES_V4):
        return IPv4Address(address.packed[-4:])
    return address


def special_kind(address: Address) -> str | None:
    """``loopback``, ``private``, ``link-local``, ``metadata`` ...; ``None`` for a public address."""
    address = inner_address(address)
    if address in METADATA:
        return "metadata"
    if isinstance(address, IPv4Address):
        return next((kind for kind, network in _NETWORKS_V4 if address in network), None)
    kind = next((kind for kind, network in _NETWORKS_V6 if address in network), None)
    return kind or (None if address in _ROUTED_V6 else "reserved")
