"""What is read where the app is deployed to Modal."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.host.settings.reading import explained, parts_of


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


def read_modal_settings() -> ModalSettings:
    """How to deploy to Modal. Raises ``DagfusionError``."""
    with explained():
        return ModalSettings()
