"""What is made of a network's tensors: once, as long as they are there, within the budget."""

from __future__ import annotations

import gc

import torch
from torch import Tensor, nn

from engine.derived import Derived
from engine.model_store import ModelStore
from engine.weights import Weights


def doubled(made: list[int], source: Tensor) -> Tensor:
    made.append(1)
    return source * 2


def test_it_is_made_once_and_goes_with_its_source() -> None:
    derived, made = Derived(lambda: 1000), []  # type: tuple[Derived, list[int]]
    source = torch.ones(10)
    for _ in range(2):
        found = derived.of(source, lambda tensor: doubled(made, tensor))
        assert found is not None and found.tolist() == [2.0] * 10
    assert (len(made), derived.bytes) == (1, 40)
    equal = torch.ones(10)
    derived.of(equal, lambda tensor: doubled(made, tensor))
    assert (len(made), derived.bytes) == (2, 80), "tensors are told apart, not what is in them"
    del source, equal
    gc.collect()
    assert derived.bytes == 0


def test_where_there_is_no_room_nothing_is_made() -> None:
    derived, made = Derived(lambda: 39), []  # type: tuple[Derived, list[int]]
    assert derived.of(torch.ones(10), lambda tensor: doubled(made, tensor)) is None
    assert made == []


def layer(name: str) -> Weights:
    return Weights(name, lambda: nn.Linear(100, 100, bias=False))


def test_it_counts_towards_the_models_budget_and_goes_before_any_network() -> None:
    one = 40_000
    store = ModelStore("cpu", precision="float32", ram_budget_bytes=3 * one)
    with store.lease(layer("a")) as network:
        assert store.derived.of(network.weight, torch.clone) is not None
    assert store.held_bytes == 2 * one
    with store.lease(layer("b")):
        assert store.held_bytes == 3 * one
    with store.lease(layer("c")) as network:
        assert store.held_bytes == 3 * one
        assert {held.key for held in store.stats()} == {"a", "b", "c"}
        assert store.derived.of(network.weight, torch.clone) is None, "there is no room"
    store.free()
    assert store.held_bytes == 0


def test_free_memory_is_free_of_it_too() -> None:
    store = ModelStore("cpu", precision="float32")
    with store.lease(layer("a")) as network:
        store.derived.of(network.weight, torch.clone)
        store.free()
        assert (store.held_bytes, store.derived.bytes) == (40_000, 0), "the network is lent"
