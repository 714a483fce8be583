"""``dagfusion models``: its subcommands and their options."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import MODELS, DebugOption, Given, JsonOption, takes_settings

models = typer.Typer(help="List, fetch and check model files.", rich_markup_mode=None)


class When(enum.StrEnum):
    """Which of a manifest's files to take: those for the image, those for a machine's start, or all."""

    BUILD = "build"
    START = "start"
    ALL = "all"


ManifestArgument = Annotated[
    Path | None, typer.Argument(metavar="MANIFEST", help="The manifest [DAGFUSION_MANIFEST, or models.yaml].")
]
WhenOption = Annotated[When, typer.Option("--when", help="Only files that the manifest wants then.")]


@models.callback(invoke_without_command=True)
@takes_settings(*MODELS)
def models_default(
    context: typer.Context,
    given: Given,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List, fetch and check model files. Without a subcommand: list."""
    if context.invoked_subcommand is None:
        _list(None, given, json=json, debug=debug)
    elif given or json or debug:
        raise typer.BadParameter(f"options go after '{context.invoked_subcommand}'")


@models.command("list")
@takes_settings(*MODELS)
def list_command(
    given: Given,
    manifest: Annotated[
        Path | None, typer.Argument(metavar="MANIFEST", help="List what this manifest names instead.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the model files that workflows can name, or a manifest's files and whether they are here."""
    _list(manifest, given, json=json, debug=debug)


def _list(manifest: Path | None, given: Given, *, json: bool, debug: bool) -> None:
    from adapters.doors.cli.models import show_manifest, show_models
    from adapters.doors.cli.session import Options

    options = Options(given, json=json, debug=debug)
    with exits.reported(json=json, debug=debug):
        if manifest is None:
            show_models(options)
        else:
            show_manifest(manifest, options)


@models.command()
@takes_settings(*MODELS, models="A ComfyUI models folder; new files go to the first of several.")
def pull(
    given: Given,
    manifest: ManifestArgument = None,
    when: WhenOption = When.ALL,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, max=32, help="Files to fetch at a time.")] = 4,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite files that have other contents.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Fetch what is missing of a manifest's files and check everything. Exit code 1 if a file could not be had."""
    from adapters.doors.cli.pull import pull_models
    from adapters.doors.cli.session import Options

    options = Options(given, json=json, debug=debug)
    with exits.reported(json=json, debug=debug):
        pull_models(manifest, options, when.value, jobs=jobs, replace=replace)


@models.command()
@takes_settings(*MODELS)
def verify(
    given: Given,
    manifest: ManifestArgument = None,
    when: WhenOption = When.ALL,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read a manifest's files and compare their hashes. Exit code 1 if one is missing or differs."""
    from adapters.doors.cli.session import Options
    from adapters.doors.cli.verify import verify_models

    options = Options(given, json=json, debug=debug)
    with exits.reported(json=json, debug=debug):
        verify_models(manifest, options, when.value)


@models.command()
def schema() -> None:
    """Print the JSON Schema of manifests."""
    from adapters.doors.cli.models import show_schema

    show_schema()
