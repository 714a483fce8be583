"""Signed download links: good for one blob under one name, for a while."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapters.service.blobs.errors import LinkExpired, LinkInvalid
from adapters.service.blobs.links import sign_download, signed_query, verify_download

SECRET = b"secret"
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None)
@given(DIGESTS, NAMES, st.integers(1, 10**6))
def test_a_link_is_good_until_it_expires(digest: str, name: str, lifetime_s: int) -> None:
    query = parse_qs(signed_query(SECRET, digest, name, lifetime_s, now=1000.5))
    expires_at, signature = int(query["expires"][0]), query["signature"][0]
    assert expires_at == 1000 + lifetime_s
    verify_download(SECRET, digest, name, expires_at, signature, now=expires_at - 0.1)
    with pytest.raises(LinkExpired):
        verify_download(SECRET, digest, name, expires_at, signature, now=expires_at)


@settings(deadline=None)
@given(
    DIGESTS, DIGESTS, NAMES, NAMES, st.integers(0, 10**10), st.integers(0, 10**10), st.binary(min_size=1, max_size=9)
)
def test_no_part_can_be_changed(
    digest: str, digest2: str, name: str, name2: str, expires_at: int, expires_at2: int, secret2: bytes
) -> None:
    signature = sign_download(SECRET, digest, name, expires_at)
    changed = [
        *[(SECRET, digest2, name, expires_at)] * (digest2 != digest),
        *[(SECRET, digest, name2, expires_at)] * (name2 != name),
        *[(SECRET, digest, name, expires_at2)] * (expires_at2 != expires_at),
        *[(secret2, digest, name, expires_at)] * (secret2 != SECRET),
    ]
    for secret, digest_, name_, expires_at_ in changed:
        with pytest.raises(LinkInvalid) as invalid:
            verify_download(secret, digest_, name_, expires_at_, signature, now=0)
        assert not isinstance(invalid.value, LinkExpired)


@settings(deadline=None)
@given(DIGESTS, st.text(max_size=60))
def test_no_text_is_a_signature(digest: str, signature: str) -> None:
    assume(signature != sign_download(SECRET, digest, "x", 10))
    with pytest.raises(LinkInvalid):
        verify_download(SECRET, digest, "x", 10, signature, now=0)


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        sign_download(b"", "0" * 64, "x", 1)
