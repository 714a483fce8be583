"""What is read where the application is deployed to a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.host.settings.reading import explained
from engine.errors import DagfusionError


class RaySettings(BaseSettings):
    """What is read (``DAGFUSION_RAY_*``) when the application is deployed to Ray Serve.

    ``gpus``, ``cpus``: of each replica. ``concurrency``: jobs that a replica has in hand. ``models_per_replica``: how
    many model files a replica is taken to hold, for sending jobs to where their model is. ``start_s``: how long a job
    may wait for a replica, for which a node may have to start. ``upscale_s``, ``downscale_s``: for how long there is
    too much, or too little to do before replicas are started or ended. ``api_replicas``: more than one only with
    PostgreSQL.
    """

    model_config = SettingsConfigDict(env_prefix="DAGFUSION_RAY_", extra="ignore")

    gpus: float = Field(default=1.0, ge=0)
    cpus: float = Field(default=1.0, ge=0)
    concurrency: int = Field(default=1, ge=1)
    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(default=4, ge=1)
    models_per_replica: int = Field(default=3, ge=1)
    start_s: float = Field(default=900.0, gt=0)
    upscale_s: float = Field(default=10.0, ge=0)
    downscale_s: float = Field(default=300.0, ge=0)
    api_replicas: int = Field(default=1, ge=1)
    api_cpus: float = Field(default=1.0, ge=0)


def read_ray_settings(given: Mapping[str, Any]) -> RaySettings:
    """How to deploy to Ray Serve; those in ``given`` (by name) win over the environment. Raises ``DagfusionError``."""
    unknown = sorted(given.keys() - RaySettings.model_fields.keys())
    if unknown:
        known = ", ".join(RaySettings.model_fields)
        raise DagfusionError(f"there is no setting '{unknown[0]}'", remedy=f"there are: {known}")
    with explained():
        return RaySettings(**given)
