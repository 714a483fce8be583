"""Whole pictures: the workflow that benchmarks draw, and an engine to draw it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import Bench
from benchmarks.weights import FAMILIES, checkpoint_name, write_checkpoint
from engine.errors import DagfusionError
from engine.workflow import NodeDocument, Workflow

if TYPE_CHECKING:
    import numpy as np

    from engine.engine import Engine
    from engine.result import RunResult
    from engine.weights import Weights

Nodes = dict[str, NodeDocument]
MODELS: Mapping[str, int] = {"tiny": 128, "sd15": 512, "sdxl": 1024}
"""What can be drawn with, and each one's own size in pixels: the embedded model, and random ones of full size."""


def checkpoint_of(model: str) -> str:
    """The checkpoint's file name. Raises ``DagfusionError`` for a model that there is none of."""
    if model not in MODELS:
        raise DagfusionError(f"there is no model '{model}' to draw with", remedy=f"one of: {', '.join(MODELS)}")
    return checkpoint_name(model) if model in FAMILIES else f"{model}.safetensors"


def text_to_image(
    checkpoint: str,
    *,
    size_px: int,
    steps: int,
    seed: int,
    sampler: str = "euler",
    prompt: str = "a red circle on a blue background",
    cfg: float = 4.0,
    prefix: str = "bench",
    deepcache: int = 1,
) -> Nodes:
    """The usual graph. ``deepcache``: the interval, 1 for none."""
    sampling: dict[str, Any] = {"seed": seed, "steps": steps, "cfg": cfg, "sampler_name": sampler, "denoise": 1.0}
    graph: dict[str, tuple[str, dict[str, Any]]] = {
        "model": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint}),
        "positive": ("CLIPTextEncode", {"text": prompt, "clip": ["model", 1]}),
        "negative": ("CLIPTextEncode", {"text": "", "clip": ["model", 1]}),
        "size": ("EmptyLatentImage", {"width": size_px, "height": size_px, "batch_size": 1}),
        "sampler": (
            "KSampler",
            {
                "model": ["model", 0],
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "latent_image": ["size", 0],
                "scheduler": "karras",
                **sampling,
            },
        ),
        "decode": ("VAEDecode", {"samples": ["sampler", 0], "vae": ["model", 2]}),
        "save": ("SaveImage", {"images": ["decode", 0], "filename_prefix": prefix}),
    }
    if deepcache > 1:
        levels = {"cache_interval": deepcache, "cache_depth": 3, "start_step": 0, "end_step": 1000}
        graph["deepcache"] = ("DeepCache", {"model": ["model", 0], **levels})
        graph["sampler"][1]["model"] = ["deepcache", 0]
    return {name: NodeDocument(class_type=kind, inputs=inputs) for name, (kind, inputs) in graph.items()}


class Studio:
    """An engine, and where its pictures are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, nodes: Nodes) -> RunResult:
        """Draw it."""
        return self.engine.run(Workflow(nodes=nodes))

    def dtype(self, checkpoint: str) -> str:
        """The number format that the checkpoint's denoiser is computed in here."""
        denoiser = networks_of(self.engine, checkpoint)[0]
        return str(self.engine.models.dtype(denoiser)).removeprefix("torch.")

    def picture(self, nodes: Nodes) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Draw it and read it back: uint8[height, width, 3]."""
        import numpy as np
        from PIL import Image

        (saved,) = self.run(nodes).outputs["save"].shown["images"]
        with Image.open(self.engine.folders.path_of(saved)) as picture:
            return np.asarray(picture.convert("RGB"))


def networks_of(engine: Engine, checkpoint: str) -> list[Weights]:
    """The checkpoint's networks: the denoiser, the text encoders, the VAE."""
    from nodes.diffusion.checkpoints import load_checkpoint

    return load_checkpoint(engine.folders.find("checkpoints", checkpoint)).networks


def models_folder(bench: Bench, model: str) -> Path:
    """A models folder that has the model: the one that was given, else a temporary one. Random weights are made."""
    folder = bench.models or bench.folder / "models"
    if model in FAMILIES:
        write_checkpoint(folder / "checkpoints", model)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def studio(models: Path, folder: Path, device: str, precision: str, **settings: object) -> Iterator[Studio]:
    """An engine with the default settings but for these (by name), that keeps nothing outside of ``folder``."""
    from adapters.host.loading import load_engine, load_folders, load_registry
    from adapters.host.settings import read_settings

    places = {name: folder / name for name in ("input", "output", "temp")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    given = {"models": [models], "device": device, "precision": precision, "disk_cache_mib": 0, "together": 1, **places}
    chosen = read_settings({**given, "fingerprints": folder / "fingerprints.json", **settings})
    engine = load_engine(chosen, load_registry(chosen), load_folders(chosen))
    yield Studio(engine)
    engine.cache.clear()
    engine.models.free()
