"""Signs webhook messages, and checks signatures as receivers do: the Standard Webhooks scheme, HMAC-SHA256.

What is signed is ``id.timestamp.body``: the id stays the same over all attempts at a message, so that a receiver can
drop repeats; the timestamp (Unix seconds) is that of the attempt, so that an old message cannot be played again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

from engine.errors import DagfusionError

TOLERANCE_S = 300.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how secrets of this scheme begin
_SECRET_BYTES = 32


class SignatureInvalid(DagfusionError):
    """A message does not come from who knows the secret, was altered, or is too old."""


def new_secret() -> str:
    """A fresh secret: ``whsec_`` and 256 random bits in base64."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(secret: str, message_id: str, body: bytes, *, now: float | None = None) -> dict[str, str]:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` of one attempt."""
    timestamp = int(time.time() if now is None else now)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, message_id, str(timestamp), body)}",
    }


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance_s: float = TOLERANCE_S, now: float | None = None
) -> None:
    """Raise ``SignatureInvalid`` unless the headers (names in any case) carry a signature of this very body.

    Takes several signatures, as there are while a secret is changed. Constant time.
    """
    known = {name.lower(): value for name, value in headers.items()}
    missing = {"webhook-id", "webhook-timestamp", "webhook-signature"} - known.keys()
    if missing:
        raise SignatureInvalid(f"the message has no {', '.join(sorted(missing))} header")
    expected = _signature(secret, known["webhook-id"], known["webhook-timestamp"], body).encode()
    given = [text.removeprefix("v1,").encode() for text in known["webhook-signature"].split() if text.startswith("v1,")]
    if not any([hmac.compare_digest(expected, signature) for signature in given]):  # noqa: C419 - looks at all of them
        raise SignatureInvalid("the signature does not fit the message", remedy="check that the secret is the same")
    age_s = (time.time() if now is None else now) - _seconds(known["webhook-timestamp"])
    if abs(age_s) > tolerance_s:
        raise SignatureInvalid(f"the message is {age_s:.0f} s old", remedy="check this machine's clock")


def check_secret(secret: str) -> None:
    """Raise ``DagfusionError`` for a secret that messages cannot be signed with."""
    if len(_key(secret)) < 1:
        raise DagfusionError("the webhook secret is empty", remedy="leave it out to have one made")


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode(errors="surrogateescape") + body
    return base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """The bytes behind ``whsec_...``; any other text stands for itself."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DagfusionError(
            f"the webhook secret is not base64 after '{_SECRET_PREFIX}'", remedy="copy it as a whole"
        ) from error


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise SignatureInvalid("the message's timestamp is no number of seconds")
    return float(text)
