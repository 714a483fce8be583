"""Which spellings of an address are read, and that no odd one gets through."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.outbound.errors import AddressRefused
from adapters.service.outbound.urls import literal_address, parse_url, shown_url


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://example.com", "example.com"),
        ("HTTPS://EXAMPLE.com/a?b=c#d", "example.com"),
        ("https://bücher.de/x", "xn--bcher-kva.de"),
        ("http://my_host-1.internal:8080/", "my_host-1.internal"),
        ("http://localhost/", "localhost"),
        ("http://8.8.8.8/", "8.8.8.8"),
        ("http://[2606:4700::1111]:81/", "2606:4700::1111"),
        ("http://1password.com/", "1password.com"),
        ("http://example.com/@user", "example.com"),
        ("http://example.com?a@b", "example.com"),
    ],
)
def test_ordinary_addresses_are_read(text: str, host: str) -> None:
    url = parse_url(text)
    assert url.raw_host.decode() == host
    assert url.fragment == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "//host/", "/etc/passwd", "file:///etc/passwd", "ftp://host/", "gopher://host/", "data:,x"),
        *("http://", "http:///x", "http:host", "http:/host/", "http://?", "http://.", "http://a..b/", "http://-a/"),
        *("http://user@host/", "http://user:pass@host/", "http://@host/", "http://host:80@127.0.0.1/", "http://:@h/"),
        *(
            "http://host\\@127.0.0.1/",
            "http://127.0.0.1\t/",
            "http://ho st/",
            "http://host/\r\nx: y",
            "http://host/\x00",
        ),
        *("http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/"),
        *("http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.0x1/", "http://0X7F.1/", "http://127.0.0.256/"),
        *("http://127.0.0.1./", "http://example.com./", "http://localhost./", "http://00000127.0.0.1/", "http://0/"),
        *("http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://１２７.0.0.1/", "http://127｡0.0.1/"),
        *("http://127.0.0.%31/", "http://%31%32%37.0.0.1/", "http://ⓔxample.com/", "http://١٢٧.0.0.1/"),
        *(
            "http://[::1%25lo]/",
            "http://[fe80::1%251]/",
            "http://[::1/",
            "http://::1/",
            "http://[127.0.0.1]/",
            "http://[v1.x]/",
        ),
        *("http://host:0/", "http://host:65536/", "http://host:x/", "http://host:-1/", "http://host:80:80/"),
        *("http://" + "a" * 64 + ".com/", "http://" + ".".join(["a" * 60] * 5) + "/", "http://host/" + "a" * 9000),
        *("http://ho\u00adst/", "http://ho\u200bst/", "http://[::ffff:127.0.0.1", "http://a,b/", "http://a$b/"),
    ],
)
def test_odd_spellings_are_refused(text: str) -> None:
    with pytest.raises(AddressRefused):
        parse_url(text)


@settings(deadline=None)
@given(st.ip_addresses(v=4), st.lists(st.sampled_from("odx"), min_size=1, max_size=4))
def test_an_ipv4_address_is_read_in_its_ordinary_spelling_alone(address: IPv4Address, bases: list[str]) -> None:
    count = len(bases)
    numbers = [*address.packed[: count - 1], int.from_bytes(address.packed[count - 1 :])]
    spelled = ".".join(
        {"o": f"0{n:o}", "d": str(n), "x": f"0x{n:x}"}[base] for n, base in zip(numbers, bases, strict=True)
    )
    assert socket.inet_aton(spelled) == address.packed  # It is what the C library takes for this address.
    if spelled == str(address):
        assert literal_address(parse_url(f"http://{spelled}/").host) == address
    else:
        with pytest.raises(AddressRefused):
            parse_url(f"http://{spelled}/")


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(["http://", "https://", "http://h/", "http://127.0.0.1", ""]))
def test_what_is_read_means_the_same_to_the_c_library(text: str, start: str) -> None:
    try:
        url = parse_url(start + text)
    except AddressRefused:
        return
    host = url.raw_host.decode("ascii")
    assert url.scheme in ("http", "https")
    assert not url.userinfo
    if literal_address(host) is None:
        with pytest.raises(OSError, match="illegal IP address"):
            socket.inet_aton(host)


def test_messages_show_neither_passwords_nor_queries() -> None:
    with pytest.raises(AddressRefused) as refused:
        parse_url("http://user:s3cret@host/")
    assert "s3cret" not in str(refused.value)
    assert shown_url(parse_url("http://host/x?token=s3cret")) == "'http://host/x'"
    with pytest.raises(AddressRefused) as refused:
        parse_url("ftp://host/x?token=s3cret")
    assert "s3cret" not in str(refused.value)
