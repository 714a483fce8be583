"""``dagfusion worker``: one worker, which takes its jobs from the database that it shares with the service."""

from __future__ import annotations

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
from adapters.doors.cli.serve import ConcurrencyOption, LogFormatOption, TogetherOption, WarmOption


def worker(
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
    log_format: LogFormatOption = None,
    id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Run jobs of the queue. With DAGFUSION_DATABASE_URL and DAGFUSION_BLOBS on as many machines as you like."""
    with exits.reported(json=False, debug=debug):
        from adapters.host.settings import read_settings
        from adapters.run.worker.process import run_worker

        settings = read_settings(given_settings(locals()))
        run_worker(settings, id, with_parent=with_parent)
