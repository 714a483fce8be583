"""``dagfusion worker``: one worker, which takes its jobs from the database that it shares with the service."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli import exits
from adapters.cli.options import (
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
    PrecisionOption,
)
from adapters.cli.serve import ConcurrencyOption, LogFormatOption, TogetherOption, WarmOption


def worker(
    warm: WarmOption = None,
    concurrency: ConcurrencyOption = None,
    together: TogetherOption = None,
    models: ModelsOption = None,
    extra_model_paths: ExtraPathsOption = None,
    nodes: NodesOption = None,
    input: InputOption = None,
    out: OutputOption = None,
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
    given = {
        "warm": warm,
        "concurrency": concurrency,
        "together": together,
        "models": models,
        "extra_model_paths": extra_model_paths,
        "nodes": nodes,
        "input": input,
        "output": out,
        "data": data,
        "device": device,
        "precision": precision,
        "attention": attention,
        "compile": compile,
        "disk_cache_mib": disk_cache_mib,
        "log_format": log_format,
    }
    with exits.reported(json=False, debug=debug):
        from adapters.settings import read_settings
        from adapters.worker.process import run_worker

        settings = read_settings({name: value for name, value in given.items() if value is not None})
        run_worker(settings, id, with_parent=with_parent)
