"""The API container: the ordinary service without a worker, whose jobs run in GPU containers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.doors.http.hosting import Services, create_relayed_app, problem_response
from adapters.doors.modal.archive import Archive
from adapters.doors.modal.commits import Commits
from adapters.doors.modal.container import Taken
from adapters.doors.modal.far_gpu import FarGpu
from adapters.doors.modal.places import MountedPaths, check_writable
from adapters.doors.modal.settings import ModalSettings
from adapters.doors.modal.shared_blobs import MountedVolume, SharedBlobs
from adapters.host.logs import set_up_logging
from adapters.host.settings import Settings
from adapters.run.relay.far import FarMessage, Patience
from adapters.run.relay.relay import Relay
from adapters.service.blobs.store import BlobStore
from adapters.service.maintenance import Maintenance
from engine.errors import DagfusionError

_log = logging.getLogger(__name__)

SendJob = Callable[[Mapping[str, Any]], Iterator[FarMessage | Taken]]


def open_api(
    places: MountedPaths, modal: ModalSettings, volume: MountedVolume, send: SendJob, cancel_call: Callable[[str], None]
) -> ASGIApp:
    """The application. Where it cannot work, one that answers every request with the reason (status 503)."""
    try:
        settings = places.settings(workers=0)
        set_up_logging(settings.log_format, "api")
        check_writable(places.jobs)
        return _open(places, settings, modal, volume, send, cancel_call)
    except DagfusionError as error:
        _log.error("%s", error)
        return _refusing(error)


def archive_of(places: MountedPaths, settings: Settings) -> Archive | None:
    """Where the queue is kept while there is no API container; ``None`` where it is in PostgreSQL."""
    return None if settings.database_url else Archive(settings.data, places.jobs / "queue")


def _open(
    places: MountedPaths,
    settings: Settings,
    modal: ModalSettings,
    volume: MountedVolume,
    send: SendJob,
    cancel_call: Callable[[str], None],
) -> FastAPI:
    archive = archive_of(places, settings)
    if archive is not None:
        archive.restore()
    commits = Commits(volume.commit if archive is None else _Saving(archive, volume), always=archive is not None)
    blobs = SharedBlobs(BlobStore(settings.blob_url), None if "://" in settings.blob_url else volume)
    far = FarGpu(send, cancel_call, blobs, commits)

    def open_relay(services: Services) -> Relay:
        commits.start()
        return Relay(
            services.store,
            far,
            name=f"modal-{secrets.token_hex(6)}",
            slots=modal.concurrency * modal.max_containers,
            lease_s=settings.lease_s,
            patience=_patience(settings, modal),
            about={"device": "modal", "device_name": ", ".join(modal.gpu)},
            tick=Maintenance(services.store, settings).tick,
            after_job=commits.soon,
        )

    return create_relayed_app(settings, open_relay, relay_closed=commits.close)


def _patience(settings: Settings, modal: ModalSettings) -> Patience:
    # A container may be started three times before somebody is there to tell why it does not work.
    return Patience(start_s=3.0 * modal.startup_timeout_s, stop_s=settings.stop_grace_s + 30.0)


class _Saving:
    """Commits a new copy of the queue, and with it all files of the jobs in it; nothing where there is nothing new."""

    def __init__(self, archive: Archive, volume: MountedVolume) -> None:
        self._archive, self._volume = archive, volume
        self._uncommitted = False

    def __call__(self) -> None:
        if self._archive.save():
            self._uncommitted = True
        if self._uncommitted:
            self._volume.commit()
            self._uncommitted = False


def _refusing(error: DagfusionError) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await problem_response(error)(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011, "reason": error.message[:100]})

    return Starlette(routes=[Mount("/", refuse)])  # it answers Modal's start and stop of the application
