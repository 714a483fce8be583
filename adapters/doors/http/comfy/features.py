"""What this service tells ComfyUI's clients of its abilities."""

from __future__ import annotations

from typing import Any

from adapters.host.settings import MIB, Settings


def server_features(settings: Settings) -> dict[str, Any]:
    """The reply of ``/features`` and of the handshake on ``/ws``. ``max_upload_size`` in bytes.

    ``frontend``: where ComfyUI's own front end is, if it is served.
    """
    where_front_end = {"frontend": "/"} if settings.frontend else {}
    return {
        "supports_preview_metadata": True,
        "node_replacements": True,
        "assets": False,
        "max_upload_size": min(settings.max_file_mib, settings.max_body_mib) * MIB,
        **where_front_end,
    }
