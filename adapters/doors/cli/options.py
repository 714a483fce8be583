"""Options that several commands have. Those that are settings get their names and types from :class:`Settings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from adapters.host.settings import Settings

# What stands in a command's help for each setting that can be given there: a word for its value, and a sentence.
_HELP: dict[str, tuple[str, str]] = {
    "models": ("DIR", "A ComfyUI models folder; may be repeated."),
    "extra_model_paths": ("FILE", "An extra_model_paths.yaml, as ComfyUI has it."),
    "nodes": ("DIR", "A folder of Python files with your own nodes; may be repeated."),
    "packs": ("DIR", "A folder of ComfyUI's node packs (custom_nodes); may be repeated."),
    "input": ("DIR", "Folder that LoadImage reads from."),
    "output": ("DIR", "Folder for the results."),
    "device": ("NAME", "auto, cpu, cuda or cuda:N."),
    "precision": ("NAME", "auto, float32, bfloat16 or float16."),
    "attention": ("NAME", "Attention kernel: auto, sdpa or sage."),
    "compile": ("MODE", "torch.compile: off, default or reduce-overhead (CUDA graphs)."),
    "disk_cache_mib": ("N", "MiB of encodings kept on disk for later starts [1024]; 0: none."),
    "data": ("DIR", "Folder of the queue's database and the blobs."),
    "host": ("NAME", "Where to listen [127.0.0.1]."),
    "port": ("N", "Port to listen on [8188]."),
    "workers": ("N", "Worker processes [1]."),
    "warm": ("NAME", "A checkpoint or workflow file to load first; may be repeated."),
    "concurrency": ("N", "Jobs that a worker has in hand at a time."),
    "together": ("N", "Jobs whose denoising steps are computed at once; auto: what is best here."),
    "frontend": ("DIR", "Serve ComfyUI's front end: a folder of it, or 'installed'."),
    "log_format": ("FORMAT", "Log lines for people or machines: text or json."),
}
_FLAGS = {"output": "--out"}

MODELS = ("models", "extra_model_paths")
NODES = ("nodes", "packs")
FOLDERS = (*MODELS, *NODES, "input")
COMPUTING = ("device", "precision", "attention", "compile")
WORKER = (
    *("warm", "concurrency", "together"),
    *(*FOLDERS, "output", "data"),
    *(*COMPUTING, "disk_cache_mib", "log_format"),
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def _not_model(value: str | None) -> None:
    if value is not None:
        raise typer.BadParameter(
            f"a service has no single model: --warm {value} loads it before the first job, requests name the model "
            "they want, and --models names the folders that models are in"
        )


# What people try first; refused in words that name what they mean.
ModelOption = Annotated[str | None, typer.Option("--model", metavar="NAME", hidden=True, callback=_not_model)]
Given = dict[str, Any]
Command = Callable[..., None]


def takes_settings(*names: str, **helps: str) -> Callable[[Command], Command]:
    """Decorates a command whose parameter ``given`` is to have those of these settings that the command line gives.

    ``helps``: another sentence for some of them.
    """

    def decorate(command: Command) -> Command:
        def run(**values: Any) -> None:
            given = {name: value for name in names if (value := values.pop(name)) is not None}
            command(given=given, **values)

        others = inspect.signature(command, eval_str=True).parameters
        parameters = [
            each
            for name, parameter in others.items()
            for each in (
                [_parameter(setting, helps.get(setting)) for setting in names]
                if name == "given"
                else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
            )
        ]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _parameter(name: str, help: str | None) -> inspect.Parameter:
    metavar, sentence = _HELP[name]
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    option = typer.Option(flag, metavar=metavar, help=help or sentence)
    kind: Any = _typed(Settings.model_fields[name].annotation) | None
    annotation: Any = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _typed(annotation: Any) -> Any:
    """The type that a command line reads for a setting of this type; where it leaves things open, settings judge."""
    if get_origin(annotation) is list:
        return list[Path] if get_args(annotation) == (Path,) else list[str]
    if get_origin(annotation) in (Union, UnionType):
        choices = [each for each in get_args(annotation) if each is not NoneType]
        return _typed(choices[0]) if len(choices) == 1 else str
    return str if get_origin(annotation) in (Annotated, Literal) else annotation
