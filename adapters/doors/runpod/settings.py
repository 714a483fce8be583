"""What RunPod's queue worker reads beside everybody's settings."""

from __future__ import annotations

from pydantic import Field

from adapters.host.settings import Settings
from adapters.host.settings.reading import explained


class RunpodSettings(Settings):
    """What RunPod's platform and its other workers have names for goes by those.

    ``runpod_stream``: jobs answer with a stream that has previews in it, instead of with one object. ``runpod_queue``:
    where the platform says that jobs come from. ``refresh_worker``: a new worker for each job. ``bucket_endpoint_url``:
    an S3 bucket for the outputs.
    """

    runpod_stream: bool = False
    runpod_queue: str = Field(default="", validation_alias="RUNPOD_WEBHOOK_GET_JOB")
    refresh_worker: bool = Field(default=False, validation_alias="REFRESH_WORKER")
    bucket_endpoint_url: str = Field(default="", validation_alias="BUCKET_ENDPOINT_URL")


def read_runpod_settings() -> RunpodSettings:
    """The environment's settings. Raises ``DagfusionError``."""
    with explained():
        return RunpodSettings()
