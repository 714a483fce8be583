"""What a web server's answer to a request for a model file means: go on, start again, try later, or give up."""

from __future__ import annotations

import re

import httpx

from adapters.host.models.document import ListedModel
from adapters.host.models.errors import PullFailed
from adapters.host.models.sites import Sites, shown
from adapters.host.retry_after import retry_after_s

MAX_DELAY_S = 120.0
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Interrupted(Exception):
    """The transfer broke off in a way that may pass. ``delay_s``: how long the server wants to be left alone."""

    def __init__(self, reason: str, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay_s = delay_s


def start_byte(response: httpx.Response, model: ListedModel, offset: int, sites: Sites) -> int:
    """Where in the file the body of ``response`` starts, having asked for what follows ``offset``: there, or at 0.

    Raises ``Interrupted`` where another attempt may help and ``PullFailed`` where none can.
    """
    status = response.status_code
    if status in _TRY_AGAIN:
        raise Interrupted(f"the server answers {status}", retry_after_s(response.headers, MAX_DELAY_S))
    if status == 416:  # our part is not of this file, or the file ends before the manifest says
        raise Interrupted("the server has no such part of the file")
    if status not in (200, 206):
        raise _refusal(response, model, sites)
    if response.headers.get("content-type", "").startswith("text/html"):
        raise _no_file(response, model, sites)
    if response.headers.get("content-encoding", "identity") != "identity":
        message = f"{model.label}: {shown(str(response.url))} sends the file compressed, which nobody asked for"
        raise PullFailed("type_wrong", message, remedy="take the file from another source")
    if status == 200:
        length = response.headers.get("content-length")
        _check_size(model, int(length) if length and length.isdecimal() else None)
        return 0
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None:
        raise Interrupted("the server sends a part of the file and does not say which")
    first, _, total = found.groups()
    _check_size(model, None if total == "*" else int(total))
    if int(first) != offset:
        raise Interrupted(f"the server sends the file from byte {first}, not from {offset}")
    return offset


def validators(response: httpx.Response) -> dict[str, str]:
    """The headers that tell versions of the file apart, as far as they may be used to resume."""
    etag = response.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return {"etag": etag}
    modified = response.headers.get("last-modified")
    return {"last-modified": modified} if modified else {}


def _check_size(model: ListedModel, size_bytes: int | None) -> None:
    if size_bytes is not None and size_bytes != model.size_bytes:
        raise PullFailed(
            "size_wrong",
            f"{model.label}: its source has {size_bytes:,} bytes, the manifest says {model.size_bytes:,}",
            remedy="check the source and its revision, then size_bytes and sha256",
        )


def _refusal(response: httpx.Response, model: ListedModel, sites: Sites) -> PullFailed:
    status, where = response.status_code, shown(str(response.url))
    if status in (404, 410):
        return PullFailed("missing", f"{model.label}: {where} is not there ({status})", remedy="check the source")
    if status not in (401, 403):
        return PullFailed("refused", f"{model.label}: {where} answers {status}", remedy="check the source")
    return _token_failure(model, sites, where, f"answers {status}")


def _no_file(response: httpx.Response, model: ListedModel, sites: Sites) -> PullFailed:
    asked = str(response.history[0].url if response.history else response.url)
    if sites.of(asked) is not None and not sites.authorization(asked):
        return _token_failure(model, sites, asked, "sends a web page instead of the file")
    message = f"{model.label}: {shown(asked)} sends a web page instead of the file"
    return PullFailed("type_wrong", message, remedy="take the address of the file itself")


def _token_failure(model: ListedModel, sites: Sites, url: str, what: str) -> PullFailed:
    site = sites.of(url)
    message = f"{model.label}: {shown(url)} {what}"
    if site is None:
        return PullFailed("refused", message, remedy="tokens are known for Hugging Face and Civitai only")
    if sites.authorization(url):
        remedy = f"the token in {site.variable} is not accepted: is it valid, and are the model's terms agreed to?"
        return PullFailed("token_refused", message, remedy=remedy)
    return PullFailed("token_missing", message, remedy=f"put a token into {site.variable}")
