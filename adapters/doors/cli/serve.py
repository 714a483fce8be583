"""``dagfusion serve``: the service, with its workers."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from adapters.doors.cli import exits
from adapters.doors.cli.options import (
    AttentionOption,
    CompileOption,
    DataOption,
    DeviceOption,
    DiskCacheOption,
    ExtraPathsOption,
    InputOption,
    ModelsOption,
    NodesOption,
    OutputOption,
    PacksOption,
    PrecisionOption,
    given_settings,
)


class LogFormat(enum.StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


WarmOption = Annotated[
    list[str] | None,
    typer.Option("--warm", metavar="NAME", help="A checkpoint or workflow file to load first; may be repeated."),
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--concurrency", metavar="N", help="Jobs that a worker has in hand at a time.")
]
TogetherOption = Annotated[
    str | None,
    typer.Option(
        "--together", metavar="N", help="Jobs whose denoising steps are computed at once; auto: what is best here."
    ),
]
FrontendOption = Annotated[
    str | None,
    typer.Option("--frontend", metavar="DIR", help="Serve ComfyUI's front end: a folder of it, or 'installed'."),
]
LogFormatOption = Annotated[LogFormat | None, typer.Option("--log-format", help="Log lines for people or machines.")]


def serve(
    host: Annotated[str | None, typer.Option("--host", metavar="NAME", help="Where to listen [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="Port to listen on [8188].")] = None,
    workers: Annotated[int | None, typer.Option("--workers", metavar="N", help="Worker processes [1].")] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Workers run elsewhere.")] = False,
    warm: WarmOption = None,
    concurrency: ConcurrencyOption = None,
    together: TogetherOption = None,
    models: ModelsOption = None,
    extra_model_paths: ExtraPathsOption = None,
    nodes: NodesOption = None,
    packs: PacksOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    data: DataOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    compile: CompileOption = None,
    disk_cache_mib: DiskCacheOption = None,
    frontend: FrontendOption = None,
    log_format: LogFormatOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Serve the API, ComfyUI's protocol and a page, and run the jobs that come in."""
    with exits.reported(json=False, debug=debug):
        _serve(given_settings(locals()) | ({"workers": 0} if no_worker else {}))


def _serve(given: dict[str, object]) -> None:
    from adapters.host.logs import set_up_logging
    from adapters.host.settings import environment_with, read_settings
    from adapters.run.supervisor.supervisor import Supervisor

    settings = read_settings(given)
    set_up_logging(settings.log_format, "serve")
    web, worker = ("adapters.doors.http.process",), ("adapters.doors.cli", "worker")
    Supervisor(settings, environment_with(given), web=web, worker=worker).run()
