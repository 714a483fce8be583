"""``dagfusion bench``: its subcommands and their options. The benchmarks are a package of their own beside this one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from adapters.doors.cli import exits
from adapters.doors.cli.options import DebugOption
from engine.errors import DagfusionError


class _CasesByDefault(TyperGroup):
    """``bench overhead step`` is short for ``bench run overhead step``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(cls=_CasesByDefault, help="Measure speed and memory.", rich_markup_mode=None, no_args_is_help=True)

RecordsArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Records, as --json writes them.")]


@bench.command()
def run(
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE...]", help="What to measure; see `dagfusion bench list`."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE[,VALUE]", help="Values of a case's parameter; may be repeated."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The smallest parameters, once each.")] = False,
    repeats: Annotated[int | None, typer.Option("--repeats", metavar="N", min=1, help="Samples a figure.")] = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda or cuda:N.")] = "cpu",
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the records there, a JSON line each.")
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to that file instead of replacing it.")] = False,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for this run, as in 'before'.")] = "",
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="URL", help="Another server that speaks ComfyUI's protocol, in turns."),
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="The models folder that the other server reads.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Measure cases and print a table for each (`dagfusion bench CASE...` is short for this).

    With --against and no case, measure both servers and print a page (Markdown) that says how they compare.
    """
    from adapters.host.settings import let_waiting_threads_sleep

    let_waiting_threads_sleep()
    with exits.reported(json=False, debug=debug):
        from benchmarks import command

        if not cases and against is None:
            raise DagfusionError("there is nothing to measure", remedy="name a case; `dagfusion bench list` has them")
        measure = partial(command.measure, cases) if cases else command.show_beside
        measure(
            set_ or [],
            json,
            append=append,
            quick=quick,
            repeats=repeats,
            device=device,
            label=label,
            against=against,
            models=models,
        )


@bench.command("list")
def list_() -> None:
    """List the cases and their parameters."""
    with exits.reported(json=False, debug=False):
        from benchmarks import command

        command.show_cases()


@bench.command()
def compare(first: RecordsArgument, second: RecordsArgument) -> None:
    """Compare two files of records: ratios with their spread, and what differs beyond the noise."""
    with exits.reported(json=False, debug=False):
        from benchmarks import command

        command.show_comparison(first, second)


@bench.command()
def plot(
    file: RecordsArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.")] = Path("plots"),
) -> None:
    """Draw records as PNG files (needs the extra `bench`)."""
    with exits.reported(json=False, debug=False):
        from benchmarks import command

        command.draw(file, out)


@bench.command()
def table(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Records [those that come with the sources].")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="PAGE", help="Put it between that file's marks.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file has it so. Exit code 1.")] = False,
    headlines: Annotated[bool, typer.Option("--headlines", help="Only the README's rows.")] = False,
) -> None:
    """Print records as a Markdown table, or put it into a file."""
    with exits.reported(json=False, debug=False):
        from benchmarks import command

        command.write_table(files or [], into, check=check, headlines=headlines)


@bench.command()
def weights(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A ComfyUI models folder.")],
    family: Annotated[list[str], typer.Option("--family", metavar="NAME", help="sd15, sdxl; may be repeated.")],
) -> None:
    """Write random checkpoints of full size, which --against needs on both servers."""
    with exits.reported(json=False, debug=False):
        from benchmarks.weights import write_checkpoint

        for name in family:
            print(write_checkpoint(folder / "checkpoints", name))
