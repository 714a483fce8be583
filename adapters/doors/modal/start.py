"""A GPU container's start in two phases: what a CPU can do is done before the memory snapshot, the rest after it.

Each phase is tried three times. What still fails is kept, and told to every job that comes, rather than raised: Modal
would start the container over and over, and nobody would hear why.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from adapters.host.gpu import check_gpu
from adapters.host.loading import load_computing, load_engine, load_folders, load_registry, warm_names
from adapters.host.models.errors import ManifestUnmet
from adapters.host.settings import EMBEDDED_MODELS, Settings
from adapters.run.direct.tries import failure_of
from adapters.service.blobs.store import BlobStore
from engine.collection import collect_seldom
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from adapters.run.direct.runner import DirectRunner
    from engine.engine import Engine

GPU_REMEDY = "check DAGFUSION_MODAL_GPU, and that the image has the CUDA build of torch that the lock names"
_IMPORTED = ("torch", "diffusers", "transformers", "adapters.run.direct.runner")
_EMBEDDED = "tiny.safetensors"
_log = logging.getLogger(__name__)


class ContainerStart:
    """``runner`` is there once both phases are done; else ``failure`` is an error document that says what went wrong.

    ``pause_s``: before a phase is tried again. ``seconds``: how long each phase took.
    """

    def __init__(self, settings: Settings, pause_s: float = 2.0) -> None:
        self.settings = settings
        self.runner: DirectRunner | None = None
        self.failure: Mapping[str, Any] | None = None
        self.seconds: dict[str, float] = {}
        self._engine: Engine | None = None
        self._pause_s = pause_s

    def load(self) -> None:
        """On a CPU, before the snapshot: libraries imported, the manifest's warm checkpoints in memory. No CUDA yet."""
        if self._engine is None:
            self._attempt("load", self._load)

    def move(self, check: Callable[[], None] = lambda: None) -> None:
        """After the snapshot: onto the GPU, and one small step with each model. What is done already is not done again.

        ``check`` belongs to it, and raises where the container cannot work.
        """
        self.load()
        if self._engine is not None:
            self._attempt("move", lambda: self._move(check))

    def _attempt(self, phase: Literal["load", "move"], act: Callable[[], None]) -> None:
        started_at = time.monotonic()
        self.failure = failure_of(act, phase, self._pause_s)
        if self.failure is None:
            self.seconds[phase] = round(time.monotonic() - started_at, 3)

    def _load(self) -> None:
        collect_seldom()
        check_manifest(self.settings)
        for name in _IMPORTED:
            importlib.import_module(name)
        plain = {"device": "cpu", "precision": _precision_in_ram(self.settings), "attention": "auto", "compile": "off"}
        on_cpu = self.settings.model_copy(update=plain)
        engine = load_engine(on_cpu, load_registry(on_cpu), load_folders(on_cpu))
        _import_by_running(engine)
        for name in warm_names(self.settings):
            if not name.lower().endswith(".json"):  # workflows run in the second phase
                _hold(engine, name)
        engine.models.detach_from_files()
        self._engine = engine

    def _move(self, check: Callable[[], None]) -> None:
        from adapters.run.direct.runner import DirectRunner
        from adapters.run.worker.warm import warm

        engine = self._engine
        assert engine is not None
        try:
            check()
        except DagfusionError:
            self.runner = None
            raise
        if self.runner is not None:
            return
        check_gpu(self.settings.device, GPU_REMEDY)
        engine.models.move_to(self.settings.device, self.settings.precision)
        engine.models.computing = load_computing(self.settings, engine.models.device)
        warm(engine, warm_names(self.settings))
        blobs = BlobStore(self.settings.blob_url)
        self.runner = DirectRunner(engine, blobs, stop_grace_s=self.settings.stop_grace_s)


def check_manifest(settings: Settings) -> None:
    """Raises ``ManifestUnmet`` where files of the manifest are missing or have another size."""
    if settings.manifest is None:
        return
    from adapters.host.models.places import Places
    from adapters.host.models.reading import read_manifest
    from adapters.host.models.verify import survey

    verdicts = survey(read_manifest(settings.manifest).models, Places.from_settings(settings))
    wrong = [f"{verdict.model.label} ({verdict.state})" for verdict in verdicts if verdict.state != "ok"]
    if wrong:
        raise ManifestUnmet(
            f"the volume lacks models of the manifest: {', '.join(wrong)}",
            remedy="modal run -m adapters.modal_app::pull_models",
        )


def _precision_in_ram(settings: Settings) -> str:
    """As on the GPU, so that the snapshot is no larger than it has to be; VAEs are exact here and rounded there."""
    if settings.precision != "auto":
        return settings.precision
    return "float32" if settings.device == "cpu" else "float16"


def _import_by_running(engine: Engine) -> None:
    """One step of the embedded model: it imports what sampling imports."""
    from adapters.run.worker.warm import warm

    if EMBEDDED_MODELS.is_dir():
        warm(engine, [_EMBEDDED])
        engine.models.free()
        engine.cache.clear()


def _hold(engine: Engine, name: str) -> None:
    """Load a checkpoint's networks; what it lacks, another file has."""
    from nodes.diffusion.checkpoints import load_checkpoint

    for one in load_checkpoint(engine.folders.find("checkpoints", name)).networks:
        with engine.models.lease(one):
            _log.info("%s is in memory", one.label)
