"""Which hosts may be contacted."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.outbound.errors import AddressRefused, FetchFailed
from adapters.service.outbound.networks import METADATA, special_kind
from adapters.service.outbound.policy import AddressPolicy, AllowList
from adapters.service.outbound.urls import parse_url
from engine.errors import DagfusionError
from tests.adapters.service.outbound.servers import names

PRIVATE = [
    *("127.0.0.1", "127.255.255.255", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1"),
    *("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.64.0.1", "100.127.255.255", "100.100.100.200"),
    *("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
]
PRIVATE_V6 = [
    *("::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fdff::1", "fd00:ec2::254", "ff02::1", "100::1"),
    *("2001:db8::1", "3fff::1", "5f00::1", "64:ff9b:1::1", "4000::1", "::127.0.0.1", "::8.8.8.8"),
    *("2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("text", [*PRIVATE, *PRIVATE_V6])
def test_special_addresses_are_refused_as_literals_and_behind_names(text: str) -> None:
    literal = f"http://[{text}]/" if ":" in text else f"http://{text}/"
    with pytest.raises(AddressRefused, match="address"):
        anyio.run(AddressPolicy().addresses, parse_url(literal))
    with pytest.raises(AddressRefused, match="address"):
        anyio.run(AddressPolicy(resolve=names(host=text)).addresses, parse_url("http://host/"))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_let_through(text: str) -> None:
    found = anyio.run(AddressPolicy(resolve=names(host=text)).addresses, parse_url("http://host/"))
    assert found == [ip_address(text)]


@pytest.mark.parametrize("text", PRIVATE)
@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
def test_ipv4_inside_ipv6_is_judged_as_ipv4(text: str, prefix: str) -> None:
    with pytest.raises(AddressRefused):
        anyio.run(AddressPolicy().addresses, parse_url(f"http://[{prefix}{text}]/"))


def test_ipv4_inside_ipv6_may_be_public() -> None:
    assert special_kind(IPv6Address("64:ff9b::8.8.8.8")) is None
    assert special_kind(IPv6Address("::ffff:8.8.8.8")) is None


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_not_public(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert special_kind(address) is not None
        assert special_kind(IPv6Address(f"::ffff:{address}")) is not None


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_what_python_calls_private_is_not_public_in_ipv6(address: IPv6Address) -> None:
    if (not address.is_global or address.is_multicast or address.is_site_local) and address.ipv4_mapped is None:
        assert special_kind(address) is not None


@settings(deadline=None)
@given(st.permutations(["8.8.8.8", "1.1.1.1", "2606:4700::1111", "10.0.0.1"]))
def test_one_private_address_among_public_ones_is_enough(found: list[str]) -> None:
    with pytest.raises(AddressRefused, match="private"):
        anyio.run(AddressPolicy(resolve=names(host=found)).addresses, parse_url("http://host/"))


@pytest.mark.parametrize(
    ("entries", "url", "allowed"),
    [
        (["127.0.0.0/8"], "http://127.0.0.1/", True),
        (["127.0.0.1"], "http://127.0.0.1/", True),
        (["127.0.0.1"], "http://127.0.0.2/", False),
        (["127.0.0.0/8"], "http://[::ffff:127.0.0.1]/", True),
        (["host"], "http://host/", True),
        (["HOST "], "http://host/", True),
        (["host"], "http://10.0.0.1/", False),
        (["10.0.0.0/8"], "http://host/", True),
        (["::1"], "http://[::1]/", True),
        (["0.0.0.0/0", "::/0", "169.254.169.254"], "http://169.254.169.254/", False),
        (["::/0"], "http://[fd00:ec2::254]/", False),
        (["meta"], "http://meta/", False),
    ],
)
def test_the_operator_can_list_hosts_and_networks_but_not_metadata(entries: list[str], url: str, allowed: bool) -> None:
    policy = AddressPolicy(AllowList.parse(entries), names(host="10.0.0.1", meta="169.254.169.254"))
    if allowed:
        assert anyio.run(policy.addresses, parse_url(url))
    else:
        with pytest.raises(AddressRefused):
            anyio.run(policy.addresses, parse_url(url))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.1/8", "http://host", "a b", "*.internal", "127.1"])
def test_a_malformed_entry_is_named(entry: str) -> None:
    with pytest.raises(DagfusionError, match="neither a host nor a network"):
        AllowList.parse([entry])


@pytest.mark.parametrize(
    ("found", "error"), [([], FetchFailed), (["nonsense"], AddressRefused), (["fe80::1%1"], AddressRefused)]
)
def test_strange_answers_of_the_resolver(found: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        anyio.run(AddressPolicy(resolve=names(host=found)).addresses, parse_url("http://host/"))


def test_an_unknown_host_is_a_clear_failure() -> None:
    with pytest.raises(FetchFailed, match="'http://nowhere/' is not found"):
        anyio.run(AddressPolicy(resolve=names()).addresses, parse_url("http://nowhere/"))


def test_the_message_does_not_tell_what_an_internal_name_resolves_to() -> None:
    with pytest.raises(AddressRefused) as refused:
        anyio.run(AddressPolicy(resolve=names(db="10.9.8.7")).addresses, parse_url("http://db/"))
    assert "10.9.8.7" not in str(refused.value)


def test_metadata_addresses_are_all_special() -> None:
    assert {special_kind(address) for address in METADATA} == {"metadata"}


def test_the_machines_own_resolver_is_judged_too() -> None:
    url = parse_url("http://localhost:8080/")
    with pytest.raises(AddressRefused, match="loopback"):
        anyio.run(AddressPolicy().addresses, url)
    found = anyio.run(AddressPolicy(AllowList.parse(["localhost"])).addresses, url)
    assert found
    assert all(address.is_loopback for address in found)
