"""``dagfusion runpod``: RunPod's queue worker, for images whose start command can only add to ``dagfusion``."""

from __future__ import annotations

import sys

import typer


def runpod(context: typer.Context) -> None:
    """Take jobs from RunPod's queue; on other machines, run test_input.json once. Options are those of RunPod's SDK."""
    from adapters.doors.runpod.handler import main

    sys.argv = [f"{sys.argv[0]} runpod", *context.args]
    main()
