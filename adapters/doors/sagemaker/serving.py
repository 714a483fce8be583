"""The container's web server: everything is loaded first, then it answers until SIGTERM."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.routing import Route

from adapters.doors.sagemaker.door import SageMakerDoor
from adapters.doors.sagemaker.settings import read_sagemaker_settings
from adapters.host.logs import set_up_logging
from adapters.host.settings import Settings
from adapters.run.direct.runner import DirectRunner, open_runner

_log = logging.getLogger(__name__)


def application(settings: Settings, runner: DirectRunner) -> Starlette:
    """The two routes that SageMaker asks."""
    door = SageMakerDoor(settings, runner)
    return Starlette(
        routes=[Route("/ping", door.ping), Route("/invocations", door.invocations, methods=["POST"])],
    )


def serve_forever() -> None:
    """Load what is warm, listen on SageMaker's port. Raises ``DagfusionError`` where it cannot work so."""
    import uvicorn

    settings = read_sagemaker_settings()
    set_up_logging(settings.log_format, "sagemaker")
    runner = open_runner(settings)
    _log.info("ready on %s, port %d", runner.engine.models.device, settings.sagemaker_port)
    uvicorn.run(application(settings, runner), host="0.0.0.0", port=settings.sagemaker_port, log_config=None)  # noqa: S104
