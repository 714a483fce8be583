"""``/ws``: the messages of the jobs that this client submits, and how many jobs remain."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.features import server_features
from adapters.doors.http.comfy.frames import picture_frame, picture_frame_with_metadata, without_texts
from adapters.doors.http.comfy.hub import hub_of
from adapters.doors.http.comfy.messages import Message
from adapters.doors.http.comfy.outbox import OutboxFull, PreviewFrame, SendQueue
from adapters.doors.http.comfy.wire_files import read_saved
from adapters.doors.http.services import Services, ServicesNow
from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable

router = APIRouter()
_log = logging.getLogger(__name__)
_TRY_AGAIN_LATER = 1013
_MAX_FLAGS_CHARACTERS = 65_536


@router.websocket("/ws")
async def talk(
    socket: WebSocket,
    now: ServicesNow,
    caller: Annotated[Caller, Depends(require("read"))],
    client_id: Annotated[str, Query(alias="clientId", max_length=200)] = "",
) -> None:
    """Without ``clientId`` the client gets one in the first message, but only ``status`` messages."""
    hub, outbox = hub_of(socket, now), SendQueue(client_id or uuid.uuid4().hex, caller.only_owner)
    client = (caller.owner, outbox.sid)
    try:
        # Before the client knows that it is connected: a job that it submits then may end at once, and is to be told.
        await hub.join(client, outbox)
        await socket.accept()
        await _both_ways(socket, outbox, now, caller)
    finally:
        await hub.leave(client, outbox)


async def _both_ways(socket: WebSocket, outbox: SendQueue, now: Services, caller: Caller) -> None:
    sending = asyncio.create_task(_send_all(socket, outbox, now, caller))
    tasks = [sending, asyncio.create_task(_hear(socket, outbox, now))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except OutboxFull:
        await socket.close(_TRY_AGAIN_LATER, "the client does not read its messages")
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_all(socket: WebSocket, outbox: SendQueue, now: Services, caller: Caller) -> None:
    while socket.application_state is WebSocketState.CONNECTED:
        entry = await outbox.next()
        if isinstance(entry, Message):
            await socket.send_text(json.dumps({"type": entry.type, "data": entry.data}))
        elif isinstance(entry, PreviewFrame):
            await _send_final(socket, outbox, now, caller, entry)
        else:
            await socket.send_bytes(_frame(outbox, entry.picture, entry.media_type, entry.places))


async def _send_final(
    socket: WebSocket, outbox: SendQueue, now: Services, caller: Caller, picture: PreviewFrame
) -> None:
    try:
        data, media_type = await run_sync(read_saved, now, caller, picture.file, picture.digest)
    except (BlobMissing, BlobStoreUnavailable) as error:
        _log.warning("a picture of job %s cannot be sent: %s", picture.places["prompt_id"], error)
        return
    await socket.send_bytes(_frame(outbox, without_texts(data), media_type, picture.places))


def _frame(outbox: SendQueue, picture: bytes, media_type: str, places: Mapping[str, Any]) -> bytes:
    if outbox.takes_metadata:
        return picture_frame_with_metadata(picture, media_type, places)
    return picture_frame(picture, media_type)


async def _hear(socket: WebSocket, outbox: SendQueue, now: Services) -> None:
    """The first message may announce features; whatever else clients say has no meaning."""
    first = True
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1000)
        text = message.get("text")
        if first and text and len(text) <= _MAX_FLAGS_CHARACTERS:
            flags = _announced(text)
            if flags is not None:
                outbox.flags = flags
                outbox.put(Message("feature_flags", server_features(now.settings)))
        first = False


def _announced(text: str) -> Mapping[str, Any] | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "feature_flags":
        return None
    flags = message.get("data")
    return flags if isinstance(flags, dict) else {}
