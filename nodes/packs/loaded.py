"""A pack that this process imports when one of its classes first runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from engine.errors import DagfusionError
from engine.folders import Folders
from nodes.packs import guard, running
from nodes.packs.found import Pack
from nodes.packs.importing import import_pack
from nodes.packs.registering import node_classes

_importing = threading.Lock()


@dataclass(slots=True)
class LoadedPack:
    """``digest``: of the code that was described; ``network``: whether its import may use it."""

    pack: Pack
    digest: str
    network: bool = False
    _classes: dict[str, Any] | None = field(default=None, repr=False)

    def class_of(self, name: str, folders: Folders) -> Any:
        """One of its classes. ``folders``: of the run that needs it.

        Raises what the import raises, and ``DagfusionError`` where the code is not what it was at the start.
        """
        if self._classes is None:
            with _importing:
                self._classes = self._classes or self._imported(folders)
        return self._classes[name]

    def _imported(self, folders: Folders) -> dict[str, Any]:
        if self.pack.digest() != self.digest:
            raise DagfusionError(
                f"the pack '{self.pack.name}' has been changed since the start", remedy="restart, to read it anew"
            )
        # What a pack keeps of the folders when it is imported it keeps for everybody's runs.
        with running.apart(folders), guard.importing([], network=self.network):
            return {name: found for name, (found, _) in node_classes(import_pack(self.pack))}
