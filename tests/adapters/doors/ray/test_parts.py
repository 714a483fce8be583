"""The door's parts without Ray: what jobs are told where a replica, a GPU or a shared folder is missing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.doors.ray.api import api_replicas, open_api
from adapters.doors.ray.far_replicas import FarReplicas
from adapters.doors.ray.models import main_model
from adapters.doors.ray.replica import ReplicaOfGpu
from adapters.doors.ray.settings import RaySettings, read_ray_settings
from adapters.host.loading import load_folders, load_registry
from adapters.host.settings import Settings
from adapters.run.direct.messages import Completed, FailedEnd, Stopped
from adapters.run.direct.tries import TRIES
from adapters.run.relay.far import Alive, FarMessage, Unable
from adapters.service.blobs.store import BlobStore
from adapters.service.store.records import Output
from engine.context import CancelToken
from engine.errors import DagfusionError
from tests.adapters.services import picture_prompt, until


class Response:
    """What Serve's handle returns, played: its messages, until it is cancelled."""

    def __init__(self, *messages: FarMessage) -> None:
        self._messages = messages
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[FarMessage]:
        yield from self._messages
        if not self._messages:
            assert self.cancelled.wait(60)

    def cancel(self) -> None:
        self.cancelled.set()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    places = {name: tmp_path / name for name in ("data", "input", "output", "temp", "models")}
    places["models"].mkdir()
    return Settings(**places | {"models": [places["models"]], "fingerprints": tmp_path / "fingerprints.json"})


def far(settings: Settings, response: Response, *, has_gpus: bool = True) -> FarReplicas:
    blobs = BlobStore(settings.blob_url)
    return FarReplicas(lambda *_: response, lambda _: "", blobs, has_gpus=lambda: has_gpus, start_s=0.01)


def output(digest: str) -> Output:
    return Output(name="1_images_0", node_id="1", class_type="X", kind="images", cached=False, digest=digest)


def test_a_job_goes_by_the_largest_model_file(settings: Settings) -> None:
    for kind, name, size in (("checkpoints", "a/small.safetensors", 10), ("loras", "large.safetensors", 20)):
        path = settings.models[0] / kind / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0" * size)
    loader = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a/small.safetensors"}}
    inputs = {"model": ["1", 0], "lora_name": "large.safetensors", "strength_model": 1.0}
    lora = {"class_type": "LoraLoaderModelOnly", "inputs": inputs}
    unknown = {"class_type": "Nothing", "inputs": {"ckpt_name": "a/small.safetensors"}}
    absent = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "none.safetensors"}}
    registry, folders = load_registry(settings), load_folders(settings)
    prompts = ({"1": loader}, {"1": loader, "2": lora}, {"1": unknown, "2": absent}, picture_prompt())
    found = [main_model(prompt, registry, folders) for prompt in prompts]
    assert found == ["checkpoints/a/small.safetensors", "loras/large.safetensors", "", ""]


def test_a_cluster_without_the_gpus_is_one_error(settings: Settings) -> None:
    (end,) = far(settings, Response(Alive()), has_gpus=False)({"prompt": {}}, CancelToken())
    assert isinstance(end, FailedEnd) and end.error["type"] == "GpuMissing"


def test_an_output_that_the_api_cannot_read_is_one_error(settings: Settings) -> None:
    kept = BlobStore(settings.blob_url).put_bytes(b"here").digest
    ends = [Completed((output(digest),), 1.0, (), {}) for digest in (kept, "ab" * 32)]
    seen, unseen = far(settings, Response(*ends))({"prompt": {}}, CancelToken())
    assert seen == ends[0]
    assert isinstance(unseen, FailedEnd) and unseen.error["type"] == "BlobMissing"
    assert "DAGFUSION_BLOBS" in unseen.error["remedy"]


def test_cancelling_cancels_the_request(settings: Settings) -> None:
    response, cancel = Response(), CancelToken()
    threading.Timer(0.05, cancel.cancel).start()
    assert list(far(settings, response)({"prompt": {}}, cancel)) == []
    assert response.cancelled.is_set()


async def _ignore(_model: str) -> None:
    pass


def answers(replica: ReplicaOfGpu, document: Mapping[str, Any], left: threading.Event | None = None) -> list[Any]:
    """All that the replica tells; with ``left``, once it has left its process too."""

    async def listen() -> list[Any]:
        told = [message async for message in replica.run(document, "checkpoints/a")]
        while left is not None and not left.is_set():
            await asyncio.sleep(0.01)
        return told

    return asyncio.run(asyncio.wait_for(listen(), 60))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_replica_without_its_gpu_tells_the_job_and_leaves(settings: Settings) -> None:
    left = threading.Event()
    without = settings.model_copy(update={"device": "cuda"})
    replica = ReplicaOfGpu(without, _ignore, leave=left.set, pause_s=0.0)
    alive, end = answers(replica, {"id": "a", "prompt": {}}, left)
    assert alive == Alive() and isinstance(end, Unable)
    assert (end.error["type"], end.error["tries"]) == ("GpuMissing", TRIES)


def test_a_replica_whose_settings_are_wrong_fails_the_job(settings: Settings) -> None:
    wrong = settings.model_copy(update={"warm": ["none.safetensors"], "device": "cpu"})
    left = threading.Event()
    replica = ReplicaOfGpu(wrong, _ignore, leave=left.set, pause_s=0.0)
    _, end = answers(replica, {"id": "a", "prompt": {}}, left)
    assert isinstance(end, FailedEnd) and "none.safetensors" in str(end.error)


def test_a_replica_that_is_sick_leaves_and_takes_no_more_jobs(settings: Settings) -> None:
    held: list[str] = []
    left = threading.Event()

    async def hold(model: str) -> None:
        held.append(model)

    replica = ReplicaOfGpu(settings.model_copy(update={"device": "cpu"}), hold, leave=left.set, pulse_s=0.05)
    *_, end = answers(replica, {"id": "a", "prompt": picture_prompt()})
    assert isinstance(end, Completed) and held == ["checkpoints/a"] and not left.is_set()
    assert replica._runner is not None
    replica._runner.sick = "the device fails"

    async def twice() -> tuple[list[Any], list[Any]]:
        first = [message async for message in replica.run({"id": "b", "prompt": picture_prompt()}, "")]
        second: AsyncIterator[Any] = replica.run({"id": "c", "prompt": picture_prompt()}, "")
        told = [await anext(second)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(second), 0.7)
        return first, told

    first, told = asyncio.run(twice())
    assert first[-1].error["type"] == "WorkerLost" and told == [Alive()]
    assert until(left.is_set)


def test_a_task_that_is_cancelled_stops_the_run(settings: Settings, tmp_path: Path) -> None:
    nodes = Path(__file__).parent / "nodes"
    replica = ReplicaOfGpu(settings.model_copy(update={"device": "cpu", "nodes": [nodes]}), _ignore, pulse_s=0.05)
    waiting = {"class_type": "Whereabouts", "inputs": {"file": str(tmp_path / "file"), "tenths": 600, "seed": 0}}

    async def leave_early() -> None:
        async for _ in replica.run({"id": "a", "prompt": {"1": waiting}}, ""):
            if (tmp_path / "file").exists():
                return

    asyncio.run(leave_early())
    # The device is free again at once.
    *_, end = answers(replica, {"id": "b", "prompt": picture_prompt()})
    assert isinstance(end, Completed) and not isinstance(end, Stopped)


def test_the_api_is_alone_without_postgresql(settings: Settings) -> None:
    three = RaySettings(api_replicas=3)
    assert api_replicas(three, settings) == 1
    assert api_replicas(three, settings.model_copy(update={"database_url": "postgresql://host/name"})) == 3


def test_settings_come_from_arguments_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGFUSION_RAY_GPUS", "0.5")
    monkeypatch.setenv("DAGFUSION_RAY_MAX_REPLICAS", "8")
    chosen = read_ray_settings({"gpus": "2"})
    assert (chosen.gpus, chosen.max_replicas) == (2.0, 8)
    with pytest.raises(DagfusionError, match="gpus"):
        read_ray_settings({"gpus": "many"})


def test_a_folder_that_cannot_be_written_to_is_one_error(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"data": tmp_path / "file"})
    with pytest.raises(DagfusionError, match="file"):
        open_api(blocked, RaySettings(), lambda *_: Response(), lambda: True)
