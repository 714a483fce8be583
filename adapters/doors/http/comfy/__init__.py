"""ComfyUI's HTTP and WebSocket protocol, as its version 0.33.0 speaks it, over the same queue as the native API."""

from __future__ import annotations

from fastapi import APIRouter

from adapters.doors.http.comfy import (
    catalogue,
    history,
    jobs,
    panels,
    prompt,
    queue,
    socket,
    system,
    upload,
    users,
    view,
)

# Not part of the OpenAPI document, which is the native API's: these routes are documented as ComfyUI's.
router = APIRouter(include_in_schema=False)
below_api = panels.below_api
for part in (prompt, queue, jobs, history, view, upload, catalogue, system, users, panels, socket):
    router.include_router(part.router)
