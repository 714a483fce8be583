"""Jobs that share forward passes: each gets the picture that it gets alone, can stop alone, and fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmarks.service import until
from engine.context import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, OutOfMemory
from engine.events import Event, NodeFinished, NodeProgress, NodeStarted
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.workflow import Workflow
from nodes import builtin_registry
from nodes.diffusion import unet
from tests.engine.toys import workflow

REGISTRY = builtin_registry()


@pytest.fixture(autouse=True)
def one_thread_each() -> Iterator[None]:
    """Every run's thread would have a team of its own for torch, and on few cores they get in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def new_engine(models_dir: Path, tmp_path: Path) -> Callable[[], Engine]:
    """Engines that know nothing yet, for up to four runs at once."""
    store = ModelStore("cpu", precision="float32")
    folders = Folders(model_folders([models_dir]), tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    return lambda: Engine(REGISTRY, folders, store, at_once=4)


def drawing(
    name: str, seed: int, text: str, *, sampler: str = "euler", steps: int = 4, cfg: float = 5.0, lora: float = 0.0
) -> Workflow:
    model: list[Any] = ["lora", 0] if lora else ["load", 0]
    return workflow(
        load=("CheckpointLoaderSimple", {"ckpt_name": "tiny_sd15.safetensors"}),
        lora=(
            "LoraLoaderModelOnly",
            {"model": ["load", 0], "lora_name": "tiny_lora.safetensors", "strength_model": lora},
        ),
        positive=("CLIPTextEncode", {"clip": ["load", 1], "text": text}),
        negative=("CLIPTextEncode", {"clip": ["load", 1], "text": "blurry"}),
        latent=("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        sample=(
            "KSampler",
            {
                "model": model, "positive": ["positive", 0], "negative": ["negative", 0],
                "latent_image": ["latent", 0], "seed": seed, "steps": steps, "cfg": cfg, "sampler_name": sampler,
                "scheduler": "normal", "denoise": 1.0,
            },
        ),
        decode=("VAEDecode", {"samples": ["sample", 0], "vae": ["load", 2]}),
        save=("SaveImage", {"images": ["decode", 0], "filename_prefix": name}),
    )  # fmt: skip


JOBS = (
    drawing("a", 1, "a red fox"),
    drawing("b", 2, "a blue boat", sampler="dpmpp_2m_sde", cfg=3.0),
    drawing("c", 3, "a lamp", steps=7),
    drawing("d", 4, "two (cats:1.3)", sampler="euler_ancestral", cfg=1.0),
)


@contextmanager
def nobody_yet(engine: Engine, runs: int) -> Iterator[None]:
    """Nothing computes until so many runs wait for it, so that they begin together."""
    with engine.scheduler.run():
        yield
        until(lambda: engine.scheduler.waiting == runs)


def pixels(engine: Engine, job: Workflow, **options: Any) -> Tensor:
    (output,) = engine.run(job, **options).outputs.values()
    (file,) = output.shown["images"]
    with Image.open(engine.folders.output / file.filename) as picture:
        return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)


def at_once(engine: Engine, runs: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each run gives, or raises."""
    with ThreadPoolExecutor(len(runs)) as pool:
        with nobody_yet(engine, len(runs)):
            futures = [pool.submit(run) for run in runs]
        return [error if (error := future.exception(60)) else future.result() for future in futures]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each forward pass had."""
    rows: list[int] = []
    real: Callable[..., Tensor] = unet.predict

    def predict(module: Any, x: Tensor, *args: Any, **others: Any) -> Tensor:
        rows.append(x.shape[0])
        return real(module, x, *args, **others)

    monkeypatch.setattr(unet, "predict", predict)
    return rows


def test_each_job_gets_its_own_picture_whatever_its_sampler_steps_and_cfg(
    new_engine: Callable[[], Engine], passes: list[int]
) -> None:
    alone = [pixels(new_engine(), job) for job in JOBS]
    assert max(passes) == 2
    rows_alone = sum(passes)
    passes.clear()
    engine = new_engine()
    together = at_once(engine, [partial(pixels, engine, job) for job in JOBS])
    for one, other in zip(together, alone, strict=True):
        # Rounding differs with the size of a batch; a pixel on the edge of two values may fall to the other side.
        assert (one.int() - other.int()).abs().max() <= 1
    assert len({tuple(picture.tolist()) for picture in together}) == len(JOBS)
    assert sum(passes) == rows_alone, "no row is computed in vain"
    assert passes[:4] == [7] * 4, "all four while all run; cfg 1 has no negative row"
    assert passes[4:] == [2] * 3, "the longest goes on alone"


def with_control(job: Workflow, strength: float) -> Workflow:
    """``job`` with a ControlNet on its positive prompt, which reads the job's own picture."""
    more = workflow(
        net=("ControlNetLoader", {"control_net_name": "tiny_controlnet.safetensors"}),
        hint=("EmptyImage", {"width": 64, "height": 64, "batch_size": 1, "color": int(1000 * strength)}),
        steered=(
            "ControlNetApply",
            {"conditioning": ["positive", 0], "control_net": ["net", 0], "image": ["hint", 0], "strength": strength},
        ),
    )
    sampler = job.nodes["sample"]
    steered = sampler.model_copy(update={"inputs": sampler.inputs | {"positive": ["steered", 0]}})
    return Workflow(nodes={**job.nodes, **more.nodes, "sample": steered})


def test_jobs_with_controlnets_join_too(new_engine: Callable[[], Engine], passes: list[int]) -> None:
    jobs = [with_control(job, strength) for job, strength in zip(JOBS[:2], (0.4, 0.9), strict=True)]
    alone = [pixels(new_engine(), job) for job in jobs]
    passes.clear()
    engine = new_engine()
    together = at_once(engine, [partial(pixels, engine, job) for job in jobs])
    assert set(passes) == {4}, "both prompts of both jobs"
    for one, other, free in zip(together, alone, [pixels(new_engine(), job) for job in JOBS[:2]], strict=True):
        assert (one.int() - other.int()).abs().max() <= 1
        assert not torch.equal(one, free), "the ControlNets do something"


def test_jobs_with_other_weights_take_turns(new_engine: Callable[[], Engine], passes: list[int]) -> None:
    engine = new_engine()
    jobs = [drawing("a", 1, "a fox"), drawing("b", 1, "a fox", lora=1.0)]
    one, other = at_once(engine, [partial(pixels, engine, job) for job in jobs])
    assert not torch.equal(one, other)
    assert set(passes) == {2}


def test_a_job_can_be_cancelled_alone(new_engine: Callable[[], Engine]) -> None:
    engine, cancel = new_engine(), CancelToken()
    steps: list[int] = []

    def cancel_at_two(event: Event) -> None:
        if isinstance(event, NodeProgress):
            steps.append(event.value)
            if event.value == 2:
                cancel.cancel()

    kept, cancelled = at_once(
        engine,
        [
            partial(pixels, engine, JOBS[0]),
            partial(pixels, engine, JOBS[2], cancel=cancel, listeners=[cancel_at_two]),
        ],
    )
    assert isinstance(cancelled, Cancelled)
    assert steps == [1, 2]
    assert (kept.int() - pixels(new_engine(), JOBS[0]).int()).abs().max() <= 1


def test_where_memory_does_not_hold_all_at_once_they_go_on_in_smaller_groups(
    new_engine: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Tensor] = unet.predict
    rows: list[int] = []

    def small_memory(module: Any, x: Tensor, *args: Any, **others: Any) -> Tensor:
        rows.append(x.shape[0])
        if x.shape[0] > 4:
            raise torch.OutOfMemoryError
        return real(module, x, *args, **others)

    monkeypatch.setattr(unet, "predict", small_memory)
    engine = new_engine()
    made = at_once(engine, [partial(pixels, engine, job) for job in JOBS])
    assert all(isinstance(picture, Tensor) for picture in made)
    assert sum(count > 4 for count in rows) == 1, "it is not tried again"
    assert 4 in rows


def test_a_job_that_needs_too_much_fails_alone(
    new_engine: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Tensor] = unet.predict

    def one_too_many(module: Any, x: Tensor, timestep: Tensor, *args: Any, **others: Any) -> Tensor:
        if bool((x[:, 0, 0, 0] == 0).any()):
            raise torch.OutOfMemoryError
        return real(module, x, timestep, *args, **others)

    monkeypatch.setattr(unet, "predict", one_too_many)
    engine = new_engine()
    zeros = drawing("z", 1, "a fox", steps=2)
    sampler = zeros.nodes["sample"]
    zeros.nodes["sample"] = sampler.model_copy(update={"inputs": sampler.inputs | {"seed": 0, "steps": 3}})
    monkeypatch.setattr("nodes.diffusion.noise.drawn", _without_noise_for_seed_0)
    good, failed = at_once(engine, [partial(pixels, engine, JOBS[0]), partial(pixels, engine, zeros)])
    assert isinstance(good, Tensor)
    assert isinstance(failed, OutOfMemory)


def _without_noise_for_seed_0(shape: torch.Size, source: torch.Generator, *_: Any) -> Tensor:
    return torch.zeros(shape) if source.initial_seed() == 0 else torch.randn(shape, generator=source)


def test_no_more_runs_than_allowed_at_once(models_dir: Path, tmp_path: Path) -> None:
    folders = Folders(model_folders([models_dir]), tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    engine = Engine(REGISTRY, folders, ModelStore("cpu", precision="float32"), at_once=1)
    at_device: list[str] = []

    def draw(name: str) -> None:
        def hear(event: Event) -> None:
            # The last file is written while the next run computes.
            if isinstance(event, NodeStarted | NodeProgress | NodeFinished) and event.node_id != "save":
                at_device.append(name)

        pixels(engine, drawing(name, 1, name), listeners=[hear])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(draw, ("a", "b")))
    first, second = dict.fromkeys(at_device)
    assert at_device == [first] * at_device.count(first) + [second] * at_device.count(second)
