"""Tells RunPod's platform how far a job is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

_PATIENCE_S = 5.0
_log = logging.getLogger(__name__)


async def report(job: Mapping[str, Any], progress: Mapping[str, Any]) -> None:
    """Send what ``progress_update`` of RunPod's SDK sends, and wait until it has arrived, or for five seconds.

    That function sends from a thread that nobody waits for: of a short job, RunPod could hear after its end that it is
    in progress.
    """
    from runpod.http_client import AsyncClientSession  # type: ignore[import-untyped]
    from runpod.serverless.modules.rp_http import send_result  # type: ignore[import-untyped]

    try:
        async with asyncio.timeout(_PATIENCE_S), AsyncClientSession() as session:
            await send_result(session, {"status": "IN_PROGRESS", "output": dict(progress)}, dict(job))
    except TimeoutError:
        _log.warning("RunPod was not told of the progress: it does not answer", extra={"job_id": job["id"]})
