"""``dagfusion worker``: one worker, which takes its jobs from the database that it shares with the service."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import WORKER, DebugOption, Given, ModelOption, takes_settings


@takes_settings(*WORKER)
def worker(
    given: Given,
    id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    model: ModelOption = None,
    debug: DebugOption = False,
) -> None:
    """Run jobs of the queue. With DAGFUSION_DATABASE_URL and DAGFUSION_BLOBS on as many machines as you like."""
    with exits.reported(json=False, debug=debug):
        from adapters.host.settings import read_settings
        from adapters.run.worker.process import run_worker

        run_worker(read_settings(given), id, with_parent=with_parent)
