"""ComfyUI's HTTP and WebSocket protocol, as its version 0.33.0 speaks it, over the same queue as the native API."""

from __future__ import annotations

from fastapi import APIRouter

from adapters.doors.http.comfy import catalogue, history, prompt, queue, socket, system, upload, users, view

# Not part of the OpenAPI document, which is the native API's: these routes are documented as ComfyUI's.
router = APIRouter(include_in_schema=False)
for part in (prompt, queue, history, view, upload, catalogue, system, users, socket):
    router.include_router(part.router)
