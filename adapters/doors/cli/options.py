"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

ModelsOption = Annotated[
    list[Path] | None, typer.Option("--models", metavar="DIR", help="A ComfyUI models folder; may be repeated.")
]
ExtraPathsOption = Annotated[
    Path | None,
    typer.Option("--extra-model-paths", metavar="FILE", help="An extra_model_paths.yaml, as ComfyUI has it."),
]
NodesOption = Annotated[
    list[Path] | None,
    typer.Option("--nodes", metavar="DIR", help="A folder of Python files with your own nodes; may be repeated."),
]
PacksOption = Annotated[
    list[Path] | None,
    typer.Option("--packs", metavar="DIR", help="A folder of ComfyUI's node packs (custom_nodes); may be repeated."),
]
InputOption = Annotated[Path | None, typer.Option("--input", metavar="DIR", help="Folder that LoadImage reads from.")]
OutputOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
DeviceOption = Annotated[str | None, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="NAME", help="auto, float32, bfloat16 or float16.")
]
AttentionOption = Annotated[
    str | None, typer.Option("--attention", metavar="NAME", help="Attention kernel: auto, sdpa or sage.")
]
CompileOption = Annotated[
    str | None,
    typer.Option("--compile", metavar="MODE", help="torch.compile: off, default or reduce-overhead (CUDA graphs)."),
]
DiskCacheOption = Annotated[
    int | None,
    typer.Option(
        "--disk-cache-mib", metavar="N", min=0, help="MiB of encodings kept on disk for later starts [1024]; 0: none."
    ),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of the queue's database and the blobs.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def given_settings(options: Mapping[str, object]) -> dict[str, object]:
    """Those of a command's options that are settings, whose names they have, and that were given."""
    from adapters.host.settings import Settings

    return {name: value for name, value in options.items() if name in Settings.model_fields and value is not None}
