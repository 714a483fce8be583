"""The ``dagfusion`` command: its subcommands and their options; each one's work is in the module of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.bench import bench
from adapters.doors.cli.doors import add_doors_commands
from adapters.doors.cli.jobs import jobs
from adapters.doors.cli.keys import keys
from adapters.doors.cli.models_group import models as models_group
from adapters.doors.cli.options import COMPUTING, FOLDERS, MODELS, NODES, DebugOption, Given, JsonOption, takes_settings
from adapters.doors.cli.packs import packs as packs_group
from adapters.doors.cli.reading import own_or_shipped
from adapters.doors.cli.serve import serve
from adapters.doors.cli.worker import worker

app = typer.Typer(
    name="dagfusion",
    help="Executes ComfyUI workflow graphs natively.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models_group, name="models")
app.add_typer(jobs, name="jobs")
app.add_typer(keys, name="keys")
app.add_typer(bench, name="bench")
app.add_typer(packs_group, name="packs")
app.command()(serve)
app.command()(worker)
add_doors_commands(app)

Workflow = Annotated[
    Path,
    typer.Argument(
        metavar="WORKFLOW",
        help="Workflow JSON (API or UI form), or a picture that carries one; - reads standard input.",
        callback=own_or_shipped,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NODE.INPUT=VALUE", help="Change an input; NODE is an id, a title or a class. May be repeated."
    ),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from nodes import COMFYUI_VERSION

        print(f"dagfusion {version('dagfusion')} (nodes, numbers and protocol of ComfyUI {COMFYUI_VERSION})")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Executes ComfyUI workflow graphs natively."""


@app.command()
@takes_settings(*FOLDERS, "output", *COMPUTING, "disk_cache_mib")
def run(
    workflow: Workflow,
    given: Given,
    set_: SetOption = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Set every seed of the workflow.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NODE", help="Run only what this node needs; may be repeated."),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run a workflow and print where its results are."""
    from adapters.doors.cli.run import run_workflow
    from adapters.doors.cli.session import Options

    with exits.reported(json=json, debug=debug):
        options = Options(given, json=json, debug=debug)
        run_workflow(workflow, options, overrides=set_ or [], seed=seed, only=only or [])


@app.command()
@takes_settings(*FOLDERS)
def check(
    workflow: Workflow,
    given: Given,
    set_: SetOption = None,
    assume_files: Annotated[
        bool, typer.Option("--assume-files", help="Take files that the workflow names for present.")
    ] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List everything that is wrong with a workflow, without running it. Exit code 1 if there is anything."""
    from adapters.doors.cli.check import check_workflow
    from adapters.doors.cli.session import Options

    with exits.reported(json=json, debug=debug):
        options = Options(given, assume_files=assume_files, json=json, debug=debug)
        check_workflow(workflow, options, overrides=set_ or [])


@app.command()
@takes_settings(*NODES)
def nodes(
    given: Given,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One class: show its inputs and outputs.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the node classes, or show one."""
    from adapters.doors.cli.nodes import show_nodes
    from adapters.doors.cli.session import Options

    with exits.reported(json=json, debug=debug):
        show_nodes(name, Options(given, json=json, debug=debug))


@app.command()
@takes_settings(*MODELS, *COMPUTING)
def doctor(
    given: Given,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest", metavar="FILE", help="Compare model files with this [models.yaml, if there is one]."
        ),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what this machine has, what would be chosen, and what is wrong. Exit code 1 if something fails."""
    from adapters.doors.cli.doctor import show_health
    from adapters.doors.cli.session import Options

    with exits.reported(json=json, debug=debug):
        show_health(Options(given, json=json, debug=debug), manifest)


@app.command()
@takes_settings(*NODES)
def convert(workflow: Workflow, given: Given, debug: DebugOption = False) -> None:
    """Print a UI-form workflow in API form."""
    from adapters.doors.cli.convert import convert_workflow
    from adapters.doors.cli.session import Options

    with exits.reported(json=False, debug=debug):
        convert_workflow(workflow, Options(given, debug=debug))
