"""Signatures: the published example of the scheme, and that nothing can be changed or played again."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.webhooks.signing import SignatureInvalid, check_secret, new_secret, signed_headers, verify
from engine.errors import DagfusionError

# The example in the documentation of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, BODY, now=TIMESTAMP + 0.9)
    expected = {"webhook-id": MESSAGE_ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
    assert headers == expected
    verify(SECRET, headers, BODY, now=TIMESTAMP)


def test_a_plain_text_is_a_secret_too() -> None:
    headers = signed_headers("s3cret ü", "m", b"x", now=5)
    digest = hmac.new("s3cret ü".encode(), b"m.5.x", hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.binary(max_size=50), st.integers(0, 10**10))
def test_what_was_signed_verifies_and_nothing_else_does(secret: str, message_id: str, body: bytes, now: int) -> None:
    secret = "x" + secret.encode(errors="replace").decode()
    message_id = message_id.encode(errors="replace").decode()
    headers = signed_headers(secret, message_id, body, now=now)
    verify(secret, {name.title(): value for name, value in headers.items()}, body, now=now + 299)
    for wrong in (
        (secret + "x", headers, body),
        (secret, headers, body + b"x"),
        (secret, {**headers, "webhook-id": message_id + "x"}, body),
        (secret, {**headers, "webhook-timestamp": str(now + 1)}, body),
        (secret, {**headers, "webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}, body),
        (secret, {**headers, "webhook-signature": headers["webhook-signature"][:-4]}, body),
        (secret, {**headers, "webhook-signature": ""}, body),
    ):
        with pytest.raises(SignatureInvalid):
            verify(*wrong, now=now)


@pytest.mark.parametrize("age_s", [301, -301, 10**6])
def test_old_and_future_messages_are_refused(age_s: int) -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, BODY, now=10**9)
    with pytest.raises(SignatureInvalid, match="s old"):
        verify(SECRET, headers, BODY, now=10**9 + age_s)


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, BODY, now=TIMESTAMP)
    other = signed_headers("other", MESSAGE_ID, BODY, now=TIMESTAMP)["webhook-signature"]
    verify(SECRET, {**headers, "webhook-signature": f"v1a,xyz {other} {SIGNATURE}"}, BODY, now=TIMESTAMP)
    with pytest.raises(SignatureInvalid):
        verify(SECRET, {**headers, "webhook-signature": f"v1a,xyz {other}"}, BODY, now=TIMESTAMP)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, BODY, now=TIMESTAMP)
    del headers[name]
    with pytest.raises(SignatureInvalid, match=name):
        verify(SECRET, headers, BODY, now=TIMESTAMP)


@pytest.mark.parametrize("timestamp", ["", "x", "-5", "1e9", "٣", "nan", "9" * 400])
def test_a_timestamp_that_is_none_is_refused(timestamp: str) -> None:
    digest = hmac.new(b"s", f"m.{timestamp}.x".encode(), hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": timestamp, "webhook-signature": signature}
    with pytest.raises(SignatureInvalid, match="no number"):
        verify("s", headers, b"x", now=0)


def test_new_secrets_differ_and_sign() -> None:
    secrets = {new_secret() for _ in range(10)}
    assert len(secrets) == 10
    for secret in secrets:
        check_secret(secret)
        verify(secret, signed_headers(secret, "m", b"x"), b"x")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base64!"])
def test_a_secret_that_cannot_sign_is_refused(secret: str) -> None:
    with pytest.raises(DagfusionError, match="webhook secret"):
        check_secret(secret)
