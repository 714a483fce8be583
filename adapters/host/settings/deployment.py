"""What is read where the service is deployed to somebody's cluster: Modal's, or one of Ray's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.host.settings.reading import explained, parts_of
from engine.errors import DagfusionError


class ModalSettings(BaseSettings):
    """What is read (``DAGFUSION_MODAL_*``) when the app is deployed to Modal; its containers are made by it.

    ``gpu``: Modal's name, or several by preference, separated by commas. ``concurrency``: jobs that a container has in
    hand. ``timeout_s``: of one job, its waiting for the device included. ``scaledown_s``: how long a container without
    jobs is kept. ``snapshot``: start containers from a snapshot of their memory; ``gpu_snapshot``: of the GPU's too,
    which is Modal's experiment. ``secrets``: of Modal's, by name. ``extras``: of this package, installed in the image.
    """

    model_config = SettingsConfigDict(env_prefix="DAGFUSION_MODAL_", extra="ignore")

    app: str = "dagfusion"
    models_volume: str = "dagfusion-models"
    jobs_volume: str = "dagfusion-jobs"
    gpu: Annotated[list[str], NoDecode] = Field(default=["L40S"], min_length=1)
    cpu: float = Field(default=4.0, gt=0)
    memory_mib: int = Field(default=32768, ge=1024)
    concurrency: int = Field(default=5, ge=1)
    min_containers: int = Field(default=0, ge=0)
    max_containers: int = Field(default=4, ge=1)
    timeout_s: int = Field(default=3900, ge=1, le=86400)
    startup_timeout_s: int = Field(default=900, ge=1, le=86400)
    scaledown_s: int = Field(default=300, ge=2, le=3600)
    snapshot: bool = True
    gpu_snapshot: bool = False
    api_min_containers: int = Field(default=1, ge=0)
    api_max_containers: int = Field(default=4, ge=1)
    cleanup_cron: str = "0 4 * * *"
    secrets: Annotated[list[str], NoDecode] = Field(default_factory=list)
    extras: Annotated[list[str], NoDecode] = Field(default=["modal", "postgres", "s3"])
    cuda_image: str = "nvidia/cuda:13.0.1-devel-ubuntu24.04"
    sageattention: str = "v2.2.0"

    @field_validator("gpu", "secrets", "extras", mode="before")
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return parts_of(value)


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


def read_modal_settings() -> ModalSettings:
    """How to deploy to Modal. Raises ``DagfusionError``."""
    with explained():
        return ModalSettings()


def read_ray_settings(given: Mapping[str, Any]) -> RaySettings:
    """How to deploy to Ray Serve; those in ``given`` (by name) win over the environment. Raises ``DagfusionError``."""
    unknown = sorted(given.keys() - RaySettings.model_fields.keys())
    if unknown:
        known = ", ".join(RaySettings.model_fields)
        raise DagfusionError(f"there is no setting '{unknown[0]}'", remedy=f"there are: {known}")
    with explained():
        return RaySettings(**given)
