"""The Ray Serve application: ``serve run adapters.ray_serve:app``. Declarations only; see ``adapters/doors/ray``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import click
import ray
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from adapters.doors.ray.api import api_replicas, open_api
from adapters.doors.ray.far_replicas import Messages
from adapters.doors.ray.replica import ReplicaOfGpu
from adapters.doors.ray.settings import RaySettings, read_ray_settings
from adapters.host.settings import Settings, read_settings
from engine.errors import DagfusionError

_MANY = 1000  # requests that an API replica has in hand: WebSockets and event streams are some of them


class Replica:
    """Runs job documents, on its own GPU."""

    def __init__(self, settings: Settings, chosen: RaySettings) -> None:
        @serve.multiplexed(max_num_models_per_replica=chosen.models_per_replica)  # type: ignore[untyped-decorator]
        async def hold(model: str) -> str:
            # The weights come with the job that needs them, and stay: the engine knows which, and what memory there is.
            return model

        self._replica = ReplicaOfGpu(settings, hold)

    async def run(self, document: Mapping[str, Any]) -> AsyncIterator[Any]:
        """A job document goes in, messages come out."""
        async for message in self._replica.run(document, serve.get_multiplexed_model_id()):
            yield message


def app(args: dict[str, str]) -> Application:
    """The application. ``args`` are settings by the names of :class:`RaySettings`; they win over the environment."""
    try:
        chosen, settings = read_ray_settings(args), _settings()
    except DagfusionError as error:
        raise click.ClickException(str(error)) from None
    if chosen.gpus and settings.device == "auto":
        settings = settings.model_copy(update={"device": "cuda"})

    def open_() -> ASGIApp:
        return open_api(settings, chosen, _send, lambda: _has_gpus(chosen.gpus))

    stops_within_s = settings.drain_s + settings.stop_grace_s
    api = serve.deployment(
        name="Api",
        num_replicas=api_replicas(chosen, settings),
        max_ongoing_requests=_MANY,
        ray_actor_options={"num_cpus": chosen.api_cpus},
        graceful_shutdown_timeout_s=stops_within_s,
    )
    replica = serve.deployment(
        name="Replica",
        max_ongoing_requests=chosen.concurrency,
        ray_actor_options={"num_cpus": chosen.cpus, "num_gpus": chosen.gpus},
        autoscaling_config={
            "min_replicas": chosen.min_replicas,
            "max_replicas": chosen.max_replicas,
            "target_ongoing_requests": chosen.concurrency,
            "upscale_delay_s": chosen.upscale_s,
            "downscale_delay_s": chosen.downscale_s,
        },
        graceful_shutdown_timeout_s=stops_within_s,
    )
    return api(serve.ingress(open_)()).bind(replica(Replica).bind(settings, chosen))


def _settings() -> Settings:
    """Requests come through Serve's proxies from everywhere, so an API key is needed unless somebody says otherwise."""
    settings = read_settings({"workers": 0})
    return settings if "host" in settings.model_fields_set else settings.model_copy(update={"host": "0.0.0.0"})  # noqa: S104


def _send(document: Mapping[str, Any], model: str) -> Messages:
    replicas = serve.get_deployment_handle("Replica").options(stream=True, multiplexed_model_id=model)
    return cast(Messages, replicas.run.remote(document))


def _has_gpus(gpus: float) -> bool:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return not gpus or any(node["Alive"] and node["Resources"].get("GPU", 0) >= gpus for node in nodes)
