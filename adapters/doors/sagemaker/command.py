"""``dagfusion sagemaker``: the container's program."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.errors import DagfusionError


def _sagemaker(
    serve: Annotated[
        str, typer.Argument(metavar="[serve]", help="SageMaker starts containers with this word.")
    ] = "serve",
) -> None:
    """Answer SageMaker's /ping and /invocations."""
    from adapters.doors.sagemaker.serving import serve_forever

    try:
        serve_forever()
    except DagfusionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - there is nobody else to tell
        raise SystemExit(1) from None


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sagemaker")(_sagemaker)
