"""What the settings describe, loaded: the node classes and the folders. Light: no torch."""

from __future__ import annotations

from adapters.settings import EMBEDDED_MODELS, Settings
from engine.folders import Folders, model_folders
from engine.registry import Registry
from nodes import builtin_registry


def load_registry(settings: Settings) -> Registry:
    """Built-in nodes, then those of installed packages, then those of the settings' node folders."""
    registry = builtin_registry()
    registry.add_entry_points()
    for folder in settings.nodes:
        registry.add_folder(folder)
    return registry


def load_folders(settings: Settings) -> Folders:
    """The user's model folders first, the embedded models last."""
    extra = [settings.extra_model_paths] if settings.extra_model_paths else []
    embedded = [EMBEDDED_MODELS] if EMBEDDED_MODELS.is_dir() else []
    return Folders(
        models=model_folders([*settings.models, *embedded], extra),
        input=settings.input,
        output=settings.output,
        temp=settings.temp,
    )
