"""Download links of the service's own: whoever holds one may fetch that one blob, under that one name, for a while."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from urllib.parse import urlencode

from adapters.service.blobs.errors import LinkExpired, LinkInvalid

_PURPOSE = b"dagfusion download v1\n"  # so that a signature made for something else with the same secret is none


def sign_download(secret: bytes, digest: str, name: str, expires_at: int) -> str:
    """HMAC-SHA256 over digest, expiry (Unix seconds) and name, as 43 characters of URL-safe base64."""
    if not secret:
        raise ValueError("download links need a secret")
    message = _PURPOSE + f"{digest}\n{expires_at}\n{name}".encode()
    return base64.urlsafe_b64encode(hmac.digest(secret, message, hashlib.sha256)).rstrip(b"=").decode()


def signed_query(secret: bytes, digest: str, name: str, lifetime_s: float, *, now: float | None = None) -> str:
    """The query of a download link: ``expires=...&signature=...``."""
    expires_at = int((time.time() if now is None else now) + lifetime_s)
    return urlencode({"expires": expires_at, "signature": sign_download(secret, digest, name, expires_at)})


def verify_download(
    secret: bytes, digest: str, name: str, expires_at: int, signature: str, *, now: float | None = None
) -> None:
    """Raise ``LinkInvalid`` for a signature that is none, ``LinkExpired`` for one whose time is up. Constant time."""
    expected = sign_download(secret, digest, name, expires_at)
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise LinkInvalid("the download link is not valid", remedy="take it as the job's outputs give it")
    if (time.time() if now is None else now) >= expires_at:
        raise LinkExpired("the download link has expired", remedy="ask for the job again, which gives a new one")
