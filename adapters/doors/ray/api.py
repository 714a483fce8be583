"""The API's replica: the ordinary service without a worker, whose jobs run in the replicas that compute."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from adapters.doors.http.hosting import Services, create_relayed_app
from adapters.doors.ray.far_replicas import FarReplicas, Messages
from adapters.doors.ray.models import main_model
from adapters.doors.ray.settings import RaySettings
from adapters.host.logs import set_up_logging
from adapters.host.settings import Settings
from adapters.run.relay.far import Patience
from adapters.run.relay.relay import Relay
from adapters.service.blobs.store import BlobStore
from adapters.service.maintenance import Maintenance
from adapters.service.store import Store

SendJob = Callable[[Mapping[str, Any], str], Messages]


def open_api(settings: Settings, ray: RaySettings, send: SendJob, has_gpus: Callable[[], bool]) -> ASGIApp:
    """The application. Raises ``DagfusionError`` where database or blobs cannot be opened: `serve status` shows it."""
    set_up_logging(settings.log_format, "api")
    Store(settings.database).close()
    BlobStore(settings.blob_url)

    def open_relay(services: Services) -> Relay:
        model_of = partial(main_model, registry=services.registry, folders=services.folders)
        return Relay(
            services.store,
            FarReplicas(send, model_of, services.blobs, has_gpus=has_gpus, start_s=ray.start_s),
            name=f"ray-{secrets.token_hex(6)}",
            slots=math.ceil(ray.concurrency * ray.max_replicas / api_replicas(ray, settings)),
            lease_s=settings.lease_s,
            # A job first waits for the cluster to have GPUs, then for a replica on them.
            patience=Patience(start_s=2 * ray.start_s, stop_s=settings.stop_grace_s + 30.0),
            about={"device": "ray", "device_name": f"{ray.gpus:g} GPU each"},
            tick=Maintenance(services.store, settings).tick,
        )

    return create_relayed_app(settings, open_relay, drain_s=settings.drain_s)


def api_replicas(ray: RaySettings, settings: Settings) -> int:
    """One, unless PostgreSQL lets several share the queue."""
    return ray.api_replicas if settings.database_url else 1
