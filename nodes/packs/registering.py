"""The classes that an imported pack registers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any


def node_classes(module: ModuleType) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Each class by name, with its title: its module's mapping or, without one, what its entry point lists.

    Raises ``TypeError`` for a module that has neither.
    """
    mapping = getattr(module, "NODE_CLASS_MAPPINGS", None)
    titles = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
    if isinstance(mapping, Mapping):
        for name, node_class in mapping.items():
            yield str(name), (node_class, str(titles.get(name, "")))
        return
    entry = getattr(module, "comfy_entrypoint", None)
    if entry is None:
        raise TypeError("it has neither NODE_CLASS_MAPPINGS nor comfy_entrypoint")
    for node_class in asyncio.run(_listed(entry)):
        yield node_class.GET_SCHEMA().node_id, (node_class, "")


async def _listed(entry: Any) -> Any:
    extension = entry()
    extension = await extension if inspect.isawaitable(extension) else extension
    await extension.on_load()
    return await extension.get_node_list()
