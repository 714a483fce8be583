"""JSON bodies, also under the content types that ComfyUI's clients call them: its own example sends them as a form.

JavaScript's ``fetch`` calls a text ``text/plain`` where a client says nothing else. Any page's form could send that too
without asking first, so it rests on :mod:`adapters.doors.http.hosts` that other sites' pages are not let in. What no
client sends is not taken.
"""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import Request

from adapters.doors.http.bodies import read_json
from adapters.service.errors import MediaTypeRefused, RequestInvalid

_REFUSED = frozenset({"multipart/form-data"})


async def read_object(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The body. Raises ``MediaTypeRefused``, ``WorkflowUnreadable`` (no JSON) and ``RequestInvalid`` (no object)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _REFUSED:
        raise MediaTypeRefused(f"the body is called {kind}", remedy="send JSON as application/json")
    body = await request.body()
    if may_be_empty and not body.strip():
        return {}
    found = await run_sync(read_json, body)
    if not isinstance(found, dict):
        raise RequestInvalid("the body is JSON, but not an object")
    return found


def ids_of(body: dict[str, Any], key: str) -> list[str]:
    """The ids in the array ``key``; none where it is missing. Raises ``RequestInvalid``."""
    found = body.get(key) or []
    if not isinstance(found, list):
        raise RequestInvalid(f"'{key}' is not an array of prompt ids")
    return [one for one in found if isinstance(one, str) and "\0" not in one]
