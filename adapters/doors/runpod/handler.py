"""RunPod's queue worker: ``python -m adapters.runpod_handler`` or ``dagfusion runpod``, with the SDK's own options.

On RunPod it takes jobs from the endpoint's queue; ``--rp_serve_api`` serves a local API instead, and without either it
runs ``--test_input`` or the file ``test_input.json`` once.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.util import find_spec
from typing import Any

from adapters.doors.runpod.settings import RunpodSettings, read_runpod_settings
from adapters.host.logs import set_up_logging
from adapters.run.supervisor.exit_codes import WRONG_SETTING
from engine.collection import collect_seldom
from engine.errors import DagfusionError

_log = logging.getLogger(__name__)


def main() -> None:
    """Load everything first, so that a worker that says it is ready is; then work until RunPod ends it."""
    collect_seldom()
    try:
        settings = read_runpod_settings()
        set_up_logging(settings.log_format, "runpod")
        if find_spec("runpod") is None:
            raise DagfusionError("RunPod's SDK is not installed", remedy="install dagfusion[runpod]")
        from adapters.run.direct.runner import open_runner

        runner = open_runner(settings)
    except DagfusionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - there is nobody else to tell
        raise SystemExit(WRONG_SETTING) from None
    _log.info("ready on %s", runner.engine.models.device)

    import runpod  # type: ignore[import-untyped]
    from runpod.serverless.modules.rp_logger import RunPodLogger  # type: ignore[import-untyped]

    from adapters.doors.runpod.bucket import put_into_bucket
    from adapters.doors.runpod.door import RunPodDoor, Steps
    from adapters.doors.runpod.progress import report

    set_up_logging(settings.log_format, "runpod")  # the SDK has its own idea of it
    if RunPodLogger().level == "DEBUG":
        RunPodLogger.level = "INFO"  # at its default it writes every reply, pictures and all; --rp_log_level still can
    config: dict[str, Any] = {
        "refresh_worker": settings.refresh_worker,
        "return_aggregate_stream": True,
        "concurrency_modifier": lambda _current: settings.concurrency,
    }

    def refresh() -> None:
        config["refresh_worker"] = True  # the SDK looks at it after each job

    steps = Steps(report, refresh) if settings.runpod_queue else Steps(refresh=refresh)
    door = RunPodDoor(settings, runner, steps, bucket=put_into_bucket if settings.bucket_endpoint_url else None)
    config["handler"] = door.stream if _is_streaming(settings) else door.answer
    runpod.serverless.start(config)
    if runner.sick is not None:  # A node that does not end would keep the process.
        logging.shutdown()
        os._exit(0)


def _is_streaming(settings: RunpodSettings) -> bool:
    """The SDK's run of a test input does not iterate."""
    return settings.runpod_stream and (bool(settings.runpod_queue) or "--rp_serve_api" in sys.argv)
