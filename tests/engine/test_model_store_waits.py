"""Nothing waits for a network that is being loaded but those who need that one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import torch
from torch import nn

from engine.errors import DagfusionError
from engine.model_store import ModelStore
from engine.weights import WeightPatch, Weights
from tests.engine.test_model_store import DOUBLE, LAYER_BYTES, Net, weights

Made = TypeVar("Made")
_SOON_S = 30.0  # for what takes no time; only a test that fails waits so long


@dataclass
class SlowDisk:
    """A network whose file comes once it is let through; ``builds`` counts how often it was read."""

    key: str = "slow"
    error: Exception | None = None
    builds: int = 0
    reading: threading.Event = field(default_factory=threading.Event)
    let: threading.Event = field(default_factory=threading.Event)

    def build(self) -> nn.Module:
        self.builds += 1
        self.reading.set()
        assert self.let.wait(_SOON_S)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return Net(0, torch.float32)

    @property
    def weights(self) -> Weights:
        return Weights(self.key, self.build, self.key)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def lend(store: ModelStore, of: Weights, patches: Sequence[WeightPatch] = ()) -> Net:
    with store.lease(of, patches) as module:
        assert isinstance(module, Net)
        return module


def soon(threads: ThreadPoolExecutor, act: Callable[[], Made]) -> Made:
    """What ``act`` gives, in a thread of its own: one that waits for a lock fails the test instead of hanging it."""
    return threads.submit(act).result(_SOON_S)


def begin(threads: ThreadPoolExecutor, store: ModelStore, disk: SlowDisk) -> Future[Net]:
    loading = threads.submit(lend, store, disk.weights)
    assert disk.reading.wait(_SOON_S)
    return loading


def test_who_asks_what_is_held_does_not_wait_for_a_load(threads: ThreadPoolExecutor) -> None:
    store, disk = ModelStore("cpu"), SlowDisk()
    lend(store, weights("ready"))
    loading = begin(threads, store, disk)
    try:
        assert [one.label for one in soon(threads, store.stats)] == ["net ready"]
        assert soon(threads, lambda: store.held_bytes) > 0
        assert soon(threads, lambda: store.shapes(weights("other")))
    finally:
        disk.let.set()
    assert isinstance(loading.result(_SOON_S), Net)


def test_other_networks_are_lent_and_loaded_meanwhile(threads: ThreadPoolExecutor) -> None:
    store, disk = ModelStore("cpu"), SlowDisk()
    lend(store, weights("ready"))
    begin(threads, store, disk)
    try:
        assert soon(threads, lambda: lend(store, weights("ready")))
        assert soon(threads, lambda: lend(store, weights("new"), (DOUBLE,)))
        soon(threads, store.free)
        assert soon(threads, store.stats) == []
    finally:
        disk.let.set()


def test_a_network_that_many_need_at_once_is_loaded_once(threads: ThreadPoolExecutor) -> None:
    store, disk = ModelStore("cpu"), SlowDisk()
    first = begin(threads, store, disk)
    others = [threads.submit(lend, store, disk.weights) for _ in range(5)]
    patched = threads.submit(lend, store, disk.weights, (DOUBLE,))
    disk.let.set()
    assert {id(one.result(_SOON_S)) for one in others} == {id(first.result(_SOON_S))}
    assert torch.equal(patched.result(_SOON_S).first.weight, first.result().first.weight * 2)
    assert (disk.builds, store.loads) == (1, 1)
    assert [one.leased for one in store.stats()] == [0, 0]


def test_who_waited_for_a_load_that_failed_tries_it_too(threads: ThreadPoolExecutor) -> None:
    store, disk = ModelStore("cpu"), SlowDisk(error=DagfusionError("the disk is away"))
    first = begin(threads, store, disk)
    second = threads.submit(lend, store, disk.weights)
    disk.let.set()
    with pytest.raises(DagfusionError, match="the disk is away"):
        first.result(_SOON_S)
    assert isinstance(second.result(_SOON_S), Net)
    assert [one.leased for one in store.stats()] == [0]


def test_two_loads_at_once_keep_within_the_budget(threads: ThreadPoolExecutor) -> None:
    """Room is made for both while neither is held yet: each takes two layers, and the budget is five."""
    store = ModelStore("cpu", ram_budget_bytes=5 * LAYER_BYTES)
    lend(store, weights("old"))
    moving, go_on = threading.Barrier(2), threading.Event()

    def held_back(key: str) -> Weights:
        def release() -> None:  # called when the tensors are on the device, and the network is not held yet
            moving.wait(_SOON_S)
            assert go_on.wait(_SOON_S)

        return Weights(key, lambda: Net(0, torch.float32), key, release=release)

    loads = [threads.submit(lend, store, held_back(key)) for key in ("one", "two")]
    try:
        held = 2 * 2 * LAYER_BYTES + 2 * (3 * 8 + 2 * 4)
        while not any(load.done() for load in loads):  # who waits for too long fails by itself
            if soon(threads, store.stats) == [] and soon(threads, lambda: store.held_bytes) == held:
                break  # the old one made room for them
        go_on.set()
    finally:
        go_on.set()
    for load in loads:
        load.result(_SOON_S)
    assert {one.key for one in store.stats()} == {"one", "two"}
    assert store.held_bytes == held


def test_a_network_that_moves_is_waited_for_and_others_are_not(threads: ThreadPoolExecutor) -> None:
    store = ModelStore("cpu")
    moving, go_on = threading.Event(), threading.Event()

    def release() -> None:
        moving.set()
        assert go_on.wait(_SOON_S)

    moved = Weights("moved", lambda: Net(0, torch.float32), "moved", release=release)
    go_on.set()
    lend(store, moved)
    moving.clear()
    go_on.clear()
    move = threads.submit(store.move_to, "cpu", "bfloat16")
    assert moving.wait(_SOON_S)
    try:
        assert soon(threads, store.stats) == []
        assert soon(threads, lambda: lend(store, weights("other")))
        lent = threads.submit(lend, store, moved)
    finally:
        go_on.set()
    move.result(_SOON_S)
    assert lent.result(_SOON_S).first.weight.dtype is torch.bfloat16
    assert store.loads == 2
