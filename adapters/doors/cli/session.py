"""What every command starts from: options over settings, then the registry, the folders and the engine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.doors.cli.options import Given
from adapters.host.loading import load_engine, load_folders, load_registry
from adapters.host.settings import read_settings
from engine.folders import Folders
from engine.registry import Registry

if TYPE_CHECKING:
    from engine.engine import Engine


@dataclass
class Options:
    """Options of a command line. ``given``: settings by name; for others the environment or the default holds."""

    given: Given = field(default_factory=dict)
    assume_files: bool = False
    json: bool = False
    debug: bool = False


class Session:
    """One command's registry, folders and engine, each made when it is first asked for.

    ``workflow``: the file that is worked on. Its pictures are in the folder ``input`` beside it, unless one is named.
    """

    def __init__(self, options: Options, workflow: Path | None = None) -> None:
        settings = read_settings(options.given)
        if workflow is not None and "input" not in settings.model_fields_set and (workflow.parent / "input").is_dir():
            settings = settings.model_copy(update={"input": workflow.parent / "input"})
        self.settings = settings
        self.options = options

    @cached_property
    def registry(self) -> Registry:
        """Built-in nodes, then those of installed packages, then those of ``--nodes`` and ``--packs`` folders."""
        return load_registry(self.settings)

    @cached_property
    def folders(self) -> Folders:
        """The user's model folders first, the embedded models last."""
        return replace(load_folders(self.settings), assumed=self.options.assume_files)

    @cached_property
    def engine(self) -> Engine:
        """The engine on the chosen device."""
        return load_engine(self.settings, self.registry, self.folders)
