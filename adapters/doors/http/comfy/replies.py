"""JSON as ComfyUI's server writes it: ASCII, so that half a surrogate pair that a client sent can go back to it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response


def wire_json(content: Any) -> bytes:
    """The bytes of a reply. Raises ``ValueError`` for NaN, which clients in other languages cannot read."""
    return json.dumps(content, allow_nan=False, separators=(", ", ": ")).encode()


class WireJSON(Response):
    """A JSON reply."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """See :func:`wire_json`."""
        return wire_json(content)
