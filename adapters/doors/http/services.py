"""What the routes need, made once when the web process starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from adapters.doors.http.kept_bytes import KeptBytes
from adapters.doors.http.rates import Rates
from adapters.doors.http.tail import Tail
from adapters.host.loading import load_folders, load_registry, warm_names
from adapters.host.secret import load_secret
from adapters.host.settings import MIB, Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.conversions import Conversions
from adapters.service.folder_faults import FolderFaults
from adapters.service.intake.take import Intake, IntakeLimits
from adapters.service.outbound.client import OutboundClient
from adapters.service.outbound.policy import AddressPolicy, AllowList
from adapters.service.store import Store
from engine.folders import Folders
from engine.registry import Registry

_QUEUE_ITEMS_MIB = 32


@dataclass(frozen=True)
class Services:
    """``registry`` and ``folders`` serve checking and listing; nothing is computed here.

    ``secret`` signs download links. ``outbound`` is for addresses that users give, which ``addresses`` allows or not.
    ``warm``: what workers load before their first job. ``queue_items``: jobs under way as ComfyUI's queue tells them.
    """

    settings: Settings
    store: Store
    blobs: BlobStore
    registry: Registry
    folders: Folders
    tail: Tail
    addresses: AddressPolicy
    outbound: OutboundClient
    intake: Intake
    rates: Rates
    conversions: Conversions
    secret: bytes
    warm: Sequence[str]
    folder_faults: FolderFaults
    queue_items: KeptBytes


def open_services(settings: Settings) -> Services:
    """Open the database and the blob store, load the node classes' declarations."""
    store = Store(settings.database)
    blobs = BlobStore(settings.blob_url)
    addresses = AddressPolicy(AllowList.parse(settings.allowed_hosts))
    outbound = OutboundClient(addresses)
    return Services(
        settings=settings,
        store=store,
        blobs=blobs,
        registry=load_registry(settings),
        folders=load_folders(settings),
        tail=Tail(store),
        addresses=addresses,
        outbound=outbound,
        intake=Intake(blobs, outbound, IntakeLimits.of(settings)),
        rates=Rates(settings.rate_limit),
        conversions=Conversions(blobs),
        secret=load_secret(settings),
        warm=warm_names(settings),
        folder_faults=FolderFaults(store, blobs),
        queue_items=KeptBytes(_QUEUE_ITEMS_MIB * MIB),
    )


def services(connection: HTTPConnection) -> Services:
    """The services of the application that answers; works for requests and for WebSockets."""
    found: Services = connection.app.state.services
    return found


ServicesNow = Annotated[Services, Depends(services)]
