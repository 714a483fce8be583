"""What every command starts from: options over settings, then the registry, the folders and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.settings import EMBEDDED_MODELS, MIB, Settings
from engine.errors import DagfusionError
from engine.folders import Folders, model_folders
from engine.registry import Registry
from nodes import builtin_registry

if TYPE_CHECKING:
    from engine.engine import Engine


@dataclass
class Options:
    """Options of a command line; ``None`` means that the environment's setting, or its default, holds."""

    models: list[Path] | None = None
    nodes: list[Path] | None = None
    input: Path | None = None
    output: Path | None = None
    device: str | None = None
    precision: str | None = None
    json: bool = False
    debug: bool = False


class Session:
    """One command's registry, folders and engine, each made when it is first asked for."""

    def __init__(self, options: Options) -> None:
        given = {
            name: value
            for name in ("models", "nodes", "input", "output", "device", "precision")
            if (value := getattr(options, name)) is not None
        }
        try:
            self.settings = Settings(**given)
        except ValueError as error:  # pydantic's ValidationError
            raise DagfusionError(f"a setting is wrong: {error}") from error
        self.options = options

    @cached_property
    def registry(self) -> Registry:
        """Built-in nodes, then those of installed packages, then those of ``--nodes`` folders."""
        registry = builtin_registry()
        registry.add_entry_points()
        for folder in self.settings.nodes:
            registry.add_folder(folder)
        return registry

    @cached_property
    def folders(self) -> Folders:
        """The user's model folders first, the embedded models last."""
        extra = [self.settings.extra_model_paths] if self.settings.extra_model_paths else []
        embedded = [EMBEDDED_MODELS] if EMBEDDED_MODELS.is_dir() else []
        return Folders(
            models=model_folders([*self.settings.models, *embedded], extra),
            input=self.settings.input,
            output=self.settings.output,
            temp=self.settings.temp,
        )

    @cached_property
    def engine(self) -> Engine:
        """The engine on the chosen device."""
        from engine.engine import Engine
        from engine.model_store import ModelStore

        models = ModelStore(device=self.settings.device, precision=self.settings.precision)
        return Engine(self.registry, self.folders, models, cache_budget_bytes=self.settings.cache_mib * MIB)
