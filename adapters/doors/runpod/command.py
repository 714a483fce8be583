"""``dagfusion runpod``: RunPod's queue worker, for images whose start command can only add to ``dagfusion``."""

from __future__ import annotations

import sys

import typer


def _runpod(context: typer.Context) -> None:
    """Take jobs from RunPod's queue; on other machines, run test_input.json once. Options are those of RunPod's SDK."""
    from adapters.doors.runpod.handler import main

    sys.argv = [f"{sys.argv[0]} runpod", *context.args]
    main()


def add_to(app: typer.Typer) -> None:
    """Add the command; its options are passed on as they are."""
    app.command("runpod", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(_runpod)
