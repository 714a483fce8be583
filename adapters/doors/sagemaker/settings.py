"""What SageMaker's containers read beside everybody's settings."""

from __future__ import annotations

from pydantic import Field

from adapters.host.settings import Settings
from adapters.host.settings.reading import explained


class SageMakerSettings(Settings):
    """``sagemaker_port``: where SageMaker asks; it says so by its own variable where that is not 8080."""

    sagemaker_port: int = Field(default=8080, ge=0, le=65535, validation_alias="SAGEMAKER_BIND_TO_PORT")


def read_sagemaker_settings() -> SageMakerSettings:
    """The environment's settings. Raises ``DagfusionError``."""
    with explained():
        return SageMakerSettings()
