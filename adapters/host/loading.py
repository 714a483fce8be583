"""What the settings describe, loaded: the node classes, the folders, and an engine. Only the engine needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.host.settings import EMBEDDED_MODELS, MIB, Settings, keep_compiled_code_in, let_waiting_threads_sleep
from engine.folders import Folders, model_folders
from engine.limits import Limits
from engine.registry import Registry
from nodes import builtin_registry

JOBS_TOGETHER_ON_A_GPU = 4

if TYPE_CHECKING:
    import torch

    from engine.computing import Computing
    from engine.disk_cache import DiskCache
    from engine.engine import Engine
    from engine.model_store import ModelStore


def load_registry(settings: Settings) -> Registry:
    """Built-in nodes, then those of installed packages, then those of the settings' node folders, then packs'."""
    registry = builtin_registry()
    registry.add_entry_points()
    for folder in settings.nodes:
        registry.add_folder(folder)
    if settings.packs:
        from nodes.packs.loading import add_packs

        add_packs(registry, settings.packs, settings.packs_kept, network=settings.packs_network)
    return registry


def load_folders(settings: Settings) -> Folders:
    """The user's model folders first, the embedded models last."""
    extra = [settings.extra_model_paths] if settings.extra_model_paths else []
    embedded = [EMBEDDED_MODELS] if EMBEDDED_MODELS.is_dir() else []
    return Folders(
        models=model_folders([*settings.models, *embedded], extra),
        shipped=tuple(embedded),
        input=settings.input,
        output=settings.output,
        temp=settings.temp,
        shared=settings.shared_input,
    )


def warm_names(settings: Settings) -> list[str]:
    """What a worker loads before it is ready: as the settings name it, then the manifest's warm checkpoints.

    Raises ``ManifestInvalid`` where the manifest cannot be read.
    """
    if settings.manifest is None:
        return settings.warm
    from adapters.host.models.reading import read_manifest

    listed = [model.name for model in read_manifest(settings.manifest).models if model.warm]
    return list(dict.fromkeys([*settings.warm, *listed]))


def load_engine(settings: Settings, registry: Registry, folders: Folders) -> Engine:
    """An engine on the settings' device. Raises ``DagfusionError`` where it cannot compute as they ask for."""
    let_waiting_threads_sleep()
    keep_compiled_code_in(settings.compiled)
    from engine.engine import Engine
    from engine.fingerprint import keep_fingerprints_in
    from engine.model_store import ModelStore
    from nodes.diffusion import pickled

    if settings.packs:
        from nodes.packs import running

        running.serve(folders, registry)
    keep_fingerprints_in(settings.fingerprints)
    pickled.accept_up_to(int(settings.pickled_gib * pickled.GIB))
    models = ModelStore(device=settings.device, precision=settings.precision)
    models.computing = load_computing(settings, models.device)
    disk_cache = load_disk_cache(settings, models) if settings.disk_cache_mib else None
    together = (
        settings.together
        if isinstance(settings.together, int)
        else (1 if models.device.type == "cpu" else JOBS_TOGETHER_ON_A_GPU)
    )
    cache_bytes = settings.cache_mib * MIB
    return Engine(
        registry,
        folders,
        models,
        cache_bytes,
        at_once=together,
        disk_cache=disk_cache,
        hdr=settings.hdr,
        limits=load_limits(settings),
    )


def load_limits(settings: Settings) -> Limits:
    """How much nodes may make and read."""
    return Limits(
        text_bytes=settings.max_text_mib * MIB,
        memory_bytes=None if settings.max_memory_mib is None else settings.max_memory_mib * MIB,
        pixels=int(settings.max_megapixels * 1_000_000),
        saved_in=tuple(_kept_in(settings)),
    )


def _kept_in(settings: Settings) -> Iterator[Path]:
    yield Path(tempfile.gettempdir())  # where it is encoded
    yield settings.output
    if "://" not in settings.blob_url and Path(settings.blob_url).is_dir():
        yield Path(settings.blob_url)


def load_computing(settings: Settings, device: torch.device) -> Computing:
    """By which kernels ``device`` computes. Raises ``DagfusionError`` where it cannot as the settings ask for."""
    from engine.computing import Computing
    from nodes.diffusion.backend import backend_for

    computing = Computing(settings.attention, settings.compile, settings.step_noise)
    backend_for(device, computing)
    return computing


def load_disk_cache(settings: Settings, models: ModelStore) -> DiskCache:
    """Where outputs of what ``models`` computes outlive the process."""
    from engine.disk_cache import DiskCache, origin
    from nodes.kept_values import KEPT_TYPES

    budget_bytes = settings.disk_cache_mib * MIB
    return DiskCache(settings.disk_cache, budget_bytes, KEPT_TYPES, origin=partial(origin, models))
