"""``dagfusion bench cache``: what each kind of edit costs when a workflow is run again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.case import Bench, Figure, case
from benchmarks.drawing import MODELS, Nodes, Studio, checkpoint_of, models_folder, studio, text_to_image
from engine.workflow import NodeDocument

Edit = Callable[[Nodes, int], Nodes]
PICTURES = ("a.png", "b.png")


def _set(node: str, name: str, value: Callable[[int], Any]) -> Edit:
    """The edit that sets a node's input; ``value`` makes the n-th one."""

    def edit(nodes: Nodes, number: int) -> Nodes:
        changed = nodes[node].model_copy(update={"inputs": {**nodes[node].inputs, name: value(number)}})
        return {**nodes, node: changed}

    return edit


EDITS: Mapping[str, Edit] = {
    "nothing": lambda nodes, _: nodes,
    "output prefix": _set("save", "filename_prefix", lambda n: f"other{n}"),
    "seed": _set("sampler", "seed", lambda n: 1000 + n),
    "cfg": _set("sampler", "cfg", lambda n: 5.0 + n / 16),
    "steps": _set("sampler", "steps", lambda n: 9 + n),
    "prompt": _set("positive", "text", lambda n: f"a blue star {n}"),
    "image": _set("picture", "image", lambda _: PICTURES[1]),
    "model": _set("model", "ckpt_name", lambda n: f"copy{n % 2}.safetensors"),
}


@case(
    "cache",
    axes={"edit": tuple(EDITS), "model": ("tiny",), "steps": (8,)},
    quick={"edit": ("nothing", "seed"), "steps": (2,)},
    told={"nodes run": "edited: {edit}; nodes that run again of {of}, image to image"},
)
def cache(bench: Bench, *, edit: str, model: str, steps: int) -> Iterator[Figure]:
    """What each kind of edit costs again, in an image-to-image workflow that has run: nodes and seconds.

    An edit of the model exchanges two checkpoints of the same size, one of which is new to the engine at first.
    """
    draw = bench.open(("studio", model), lambda: _studio(bench, model))
    nodes = workflow(checkpoint_of(model), MODELS[model], steps)
    numbers = bench.once("numbers", itertools.count)
    ran: list[float] = []
    seconds: list[float] = []
    for _ in range(bench.repeats):
        draw.engine.cache.clear()
        draw.run(nodes)
        result = draw.run(EDITS[edit](nodes, next(numbers)))
        ran.append(len(result.executed))
        seconds.append(result.seconds)
    yield Figure("again", "s", seconds)
    yield Figure("nodes run", "", ran, more={"of": len(nodes)})


def workflow(checkpoint: str, size_px: int, steps: int) -> Nodes:
    """Image to image: the usual graph, its latent encoded from a picture."""
    nodes = text_to_image(checkpoint, size_px=size_px, steps=steps, seed=1)
    del nodes["size"]
    nodes["picture"] = NodeDocument(class_type="LoadImage", inputs={"image": PICTURES[0]})
    nodes["latent"] = NodeDocument(class_type="VAEEncode", inputs={"pixels": ["picture", 0], "vae": ["model", 2]})
    nodes = _set("sampler", "latent_image", lambda _: ["latent", 0])(nodes, 0)
    return _set("sampler", "denoise", lambda _: 0.7)(nodes, 0)


def _studio(bench: Bench, model: str) -> AbstractContextManager[Studio]:
    """An engine over the model, two more that differ from it and from each other, and the pictures."""
    folder = models_folder(bench, model)
    original = find_checkpoint(folder, checkpoint_of(model))
    for number in range(2):
        write_variant(original, folder / "checkpoints" / f"copy{number}.safetensors", 1 + (number + 1) / 1024)
    engine_folder = bench.folder / "engine"
    write_pictures(engine_folder / "input", MODELS[model])
    return studio(folder, engine_folder, bench.device, "auto")


def find_checkpoint(folder: Path, name: str) -> Path:
    """The checkpoint's file, in the folder or among the embedded ones."""
    from adapters.host.settings import EMBEDDED_MODELS

    return next(path for root in (folder, EMBEDDED_MODELS) if (path := root / "checkpoints" / name).exists())


def write_variant(original: Path, path: Path, factor: float) -> None:
    """A checkpoint with all weights scaled by ``factor``, which makes each network of it another one."""
    from safetensors.torch import load_file, save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: (tensor * factor).to(tensor.dtype) for name, tensor in load_file(original).items()}, path)


def write_pictures(folder: Path, size_px: int) -> None:
    """Two pictures of noise."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        Image.fromarray(draw.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)).save(folder / name)
