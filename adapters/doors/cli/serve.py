"""``dagfusion serve``: the service, with its workers."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import WORKER, DebugOption, Given, ModelOption, takes_settings


@takes_settings("host", "port", "workers", *WORKER, "frontend")
def serve(
    given: Given,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Workers run elsewhere.")] = False,
    model: ModelOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve the API, ComfyUI's protocol and a page, and run the jobs that come in."""
    with exits.reported(json=False, debug=debug):
        _serve(given | ({"workers": 0} if no_worker else {}))


def _serve(given: Given) -> None:
    from adapters.host.logs import set_up_logging
    from adapters.host.settings import environment_with, read_settings
    from adapters.run.supervisor.supervisor import Supervisor

    settings = read_settings(given)
    set_up_logging(settings.log_format, "serve")
    web, worker = ("adapters.doors.http.process",), ("adapters.doors.cli", "worker")
    Supervisor(settings, environment_with(given), web=web, worker=worker).run()
