"""The model store: sharing, patches on and off, budgets, threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from engine import devices, model_store
from engine.computing import Precision
from engine.devices import compute_dtype, default_budget_bytes, pick_device
from engine.errors import DagfusionError, DeviceMemoryExhausted
from engine.model_store import ModelStore
from engine.weights import Weights

LAYER_BYTES = 100 * 100 * 4


class Net(nn.Module):
    """Two layers of LAYER_BYTES each in float32, and a buffer of each kind."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Linear(100, 100, bias=False)
        self.second = nn.Linear(100, 100, bias=False)
        for layer in (self.first, self.second):
            layer.weight = nn.Parameter(torch.randn(100, 100, generator=generator).to(dtype))
        self.register_buffer("ids", torch.arange(3))
        self.register_buffer("scale", torch.ones(2, dtype=dtype))


@dataclass
class Counted:
    """How often a network was built and its memory released."""

    builds: int = 0
    releases: int = 0


def weights(
    key: str, seed: int = 0, dtype: torch.dtype = torch.float16, counted: Counted | None = None, wide: bool = False
) -> Weights:
    counted = counted or Counted()

    def build() -> nn.Module:
        counted.builds += 1
        return Net(seed, dtype)

    def release() -> None:
        counted.releases += 1

    return Weights(key, build, f"net {key}", wide, release=release)


@dataclass(frozen=True)
class Scale:
    """Multiplies one parameter."""

    name: str
    factor: float

    @property
    def key(self) -> str:
        return f"scale {self.name} {self.factor}"

    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def apply(self, name: str, weight: Tensor) -> Tensor:
        assert weight.dtype == torch.float32
        return weight * self.factor


@dataclass(frozen=True)
class Shift(Scale):
    """Adds to one parameter."""

    @property
    def key(self) -> str:
        return f"shift {self.name} {self.factor}"

    def apply(self, name: str, weight: Tensor) -> Tensor:
        return weight + self.factor


DOUBLE = Scale("first.weight", 2.0)


def test_a_network_is_lent_in_the_compute_format() -> None:
    store = ModelStore("cpu")
    with store.lease(weights("a")) as net:
        assert net.first.weight.dtype == torch.float32
        assert net.scale.dtype == torch.float32
        assert net.ids.dtype == torch.int64
        assert not net.training
        assert not any(parameter.requires_grad for parameter in net.parameters())
        assert torch.equal(net.first.weight, Net(0, torch.float16).first.weight.float())


def test_equal_keys_share_one_network() -> None:
    counted = Counted()
    store = ModelStore("cpu")
    with store.lease(weights("a", counted=counted)) as one, store.lease(weights("a", counted=counted)) as two:
        assert one is two
    assert counted.builds == 1
    assert len(store.stats()) == 1


def test_patches_are_on_while_lent_with_them_and_off_bit_for_bit() -> None:
    store = ModelStore("cpu", "bfloat16")
    handle = weights("a", dtype=torch.float32)
    with store.lease(handle) as plain:
        before = {name: parameter.clone() for name, parameter in plain.named_parameters()}
    with store.lease(handle, (DOUBLE,)) as patched:
        assert torch.equal(patched.first.weight, (Net(0, torch.float32).first.weight * 2).bfloat16())
    with store.lease(handle) as plain:
        for name, parameter in plain.named_parameters():
            assert torch.equal(parameter, before[name])


def test_patches_apply_in_order() -> None:
    store = ModelStore("cpu")
    handle = weights("a")
    exact = Net(0, torch.float16).first.weight.float()
    shift = Shift("first.weight", 1.0)
    with store.lease(handle, (DOUBLE, shift)) as first, store.lease(handle, (shift, DOUBLE)) as second:
        assert torch.equal(first.first.weight, exact * 2 + 1)
        assert torch.equal(second.first.weight, (exact + 1) * 2)


def test_patches_start_from_the_stored_precision() -> None:
    """A stored float32 weight is changed before it is rounded to the compute format, not after."""
    store = ModelStore("cpu", "bfloat16")
    with store.lease(weights("a", dtype=torch.float32), (Shift("first.weight", 0.001),)) as net:
        assert torch.equal(net.first.weight, (Net(0, torch.float32).first.weight + 0.001).bfloat16())


def test_a_patched_network_holds_only_what_differs() -> None:
    store = ModelStore("cpu")
    handle = weights("a")
    with store.lease(handle) as plain, store.lease(handle, (DOUBLE,)) as patched:
        assert patched.second.weight.data_ptr() == plain.second.weight.data_ptr()
        assert patched.scale.data_ptr() == plain.scale.data_ptr()
        assert patched.first.weight.data_ptr() != plain.first.weight.data_ptr()
    held = {one.patches: one.bytes_held for one in store.stats()}
    assert held[(DOUBLE.key,)] == LAYER_BYTES
    assert store.held_bytes == sum(held.values())


def test_a_patched_network_is_made_once() -> None:
    store = ModelStore("cpu")
    with store.lease(weights("a"), (DOUBLE,)) as one:
        pass
    with store.lease(weights("a"), (Scale("first.weight", 2.0),)) as two:
        assert one is two


def test_a_patch_for_another_network() -> None:
    store = ModelStore("cpu")
    with (
        pytest.raises(DagfusionError, match=r"'third\.weight', which net a lacks"),
        store.lease(weights("a"), (Scale("third.weight", 2.0),)),
    ):
        pytest.fail("it was lent")
    assert [one.leased for one in store.stats()] == [0]


class TestBudget:
    def test_four_networks_under_a_budget_that_holds_two(self) -> None:
        counted = {name: Counted() for name in "abcd"}
        store = ModelStore("cpu", ram_budget_bytes=5 * LAYER_BYTES)
        for _ in range(2):
            for index, name in enumerate("abcd"):
                with store.lease(weights(name, index, counted=counted[name])) as net:
                    expected = Net(index, torch.float16)
                    assert torch.equal(net.second.weight, expected.second.weight.float())
                    assert store.held_bytes <= store.budget_bytes
        assert [one.label for one in store.stats()] == ["net d", "net c"]
        assert all(one.builds == 2 for one in counted.values())

    def test_the_least_recently_used_goes_first(self) -> None:
        store = ModelStore("cpu", ram_budget_bytes=5 * LAYER_BYTES)
        for name in ("a", "b", "a", "c"):
            with store.lease(weights(name)):
                pass
        assert {one.key for one in store.stats()} == {"a", "c"}

    def test_what_is_lent_stays(self) -> None:
        store = ModelStore("cpu", ram_budget_bytes=LAYER_BYTES)
        with store.lease(weights("a")) as net, store.lease(weights("b", 1)):
            assert {one.key for one in store.stats()} == {"a", "b"}
            store.free()
            assert {one.key for one in store.stats()} == {"a", "b"}
            assert torch.equal(net.first.weight, Net(0, torch.float16).first.weight.float())
        assert store.stats() == []

    def test_patched_networks_go_before_their_plain_one(self) -> None:
        store = ModelStore("cpu", ram_budget_bytes=4 * LAYER_BYTES + 100)
        with store.lease(weights("a"), (DOUBLE,)):
            pass
        with store.lease(weights("a"), (Scale("first.weight", 3.0),)):
            pass
        with store.lease(weights("a"), (Scale("first.weight", 4.0),)):
            pass
        assert [one.patches for one in store.stats() if one.patches] == [
            ("scale first.weight 4.0",),
            ("scale first.weight 3.0",),
        ]
        with store.lease(weights("b")):
            assert [(one.key, one.patches) for one in store.stats()] == [("b", ()), ("a", ())]

    def test_free_drops_all(self) -> None:
        store = ModelStore("cpu")
        with store.lease(weights("a"), (DOUBLE,)):
            pass
        store.free()
        assert store.stats() == []
        assert store.held_bytes == 0

    def test_memory_shortage_frees_the_rest_and_tries_again(self) -> None:
        store = ModelStore("cpu")
        with store.lease(weights("a")):
            pass
        failures = [True]

        def build() -> nn.Module:
            if failures:
                failures.pop()
                raise torch.OutOfMemoryError
            return Net(0, torch.float16)

        with store.lease(Weights("b", build)):
            assert {one.key for one in store.stats()} == {"b"}

    def test_a_network_that_never_fits(self) -> None:
        def build() -> nn.Module:
            raise torch.OutOfMemoryError

        store = ModelStore("cpu")
        with pytest.raises(DeviceMemoryExhausted, match="does not hold"), store.lease(Weights("b", build)):
            pytest.fail("it was lent")


def test_host_memory_is_given_back_after_casting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "RELEASE_EVERY_BYTES", 1)
    counted = Counted()
    with ModelStore("cpu").lease(weights("a", counted=counted)):
        assert counted.releases >= 3


def test_tensors_that_need_no_casting_are_not_copied() -> None:
    net = Net(0, torch.float32)
    place = net.first.weight.data_ptr()
    with ModelStore("cpu").lease(Weights("a", lambda: net)) as lent:
        assert lent.first.weight.data_ptr() == place


def test_shared_parameters_stay_shared() -> None:
    def build() -> nn.Module:
        net = Net(0, torch.float16)
        net.second.weight = net.first.weight
        return net

    with ModelStore("cpu").lease(Weights("a", build)) as net:
        assert net.second.weight is net.first.weight


def test_networks_move_to_another_device_without_their_files() -> None:
    counted = Counted()
    store, handle = ModelStore("cpu", "float16"), weights("a", seed=3, counted=counted, wide=True)
    with store.lease(handle, [DOUBLE]), pytest.raises(DagfusionError, match="in use"):
        store.move_to("cpu", "float32")
    store.move_to("cpu", "bfloat16")
    assert [(held.patches, held.bytes_held) for held in store.stats()] == [((), 2 * LAYER_BYTES // 2 + 3 * 8 + 2 * 2)]
    with store.lease(handle) as net:
        assert torch.equal(net.first.weight, Net(3, torch.float16).first.weight.to(torch.bfloat16))
    store.move_to("meta", "float32")
    with store.lease(handle) as net:
        assert {tensor.device.type for tensor in (*net.parameters(), *net.buffers())} == {"meta"}
    assert (counted.builds, store.stats()[0].device) == (1, "meta")


def test_networks_can_be_made_independent_of_their_files() -> None:
    net = Net(0, torch.float32)
    expected, place = net.first.weight.clone(), net.first.weight.data_ptr()
    store, handle = ModelStore("cpu"), Weights("a", lambda: net)
    with store.lease(handle):
        pass
    store.detach_from_files()
    with store.lease(handle) as lent:
        assert lent.first.weight.data_ptr() != place
        assert torch.equal(lent.first.weight, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_patches_are_made_from_no_file_either_once_detached(precision: Precision) -> None:
    net = Net(0, torch.float32)
    mapped = {name: tensor.data_ptr() for name, tensor in net.named_parameters()}
    stored = {name: tensor.clone() for name, tensor in net.named_parameters()}
    seen: dict[str, Tensor] = {}

    class Looks:
        key = "looks"

        def names(self) -> frozenset[str]:
            return frozenset(stored)

        def apply(self, name: str, weight: Tensor) -> Tensor:
            seen[name] = weight
            return weight

    store, handle = ModelStore("cpu", precision), Weights("a", lambda: net)
    with store.lease(handle):
        pass
    store.detach_from_files()
    for parameter in net.parameters():
        assert parameter.data_ptr() not in mapped.values()
    with store.lease(handle, [Looks()]):
        pass
    assert seen.keys() == stored.keys()
    for name, weight in seen.items():
        assert torch.equal(weight, stored[name]), "as stored, not as computed with"
    (held,) = [one for one in store._loaded.values() if one.base is None]
    assert not {tensor.data_ptr() for tensor in held.stored.values()} & set(mapped.values())


def test_shapes_without_loading() -> None:
    store = ModelStore("cpu")
    counted = Counted()
    for _ in range(2):
        shapes = store.shapes(weights("a", counted=counted))
        assert shapes == {"first.weight": (100, 100), "second.weight": (100, 100)}
    assert counted.builds == 1
    assert store.stats() == []


def test_many_threads_share_a_store() -> None:
    store = ModelStore("cpu", ram_budget_bytes=3 * LAYER_BYTES)
    failures: list[str] = []

    def work(index: int) -> None:
        for turn in range(20):
            seed = (index + turn) % 3
            patches = (DOUBLE,) if turn % 2 else ()
            with store.lease(weights(str(seed), seed), patches) as net:
                factor = 2.0 if patches else 1.0
                if not torch.equal(net.first.weight, Net(seed, torch.float16).first.weight.float() * factor):
                    failures.append(f"{index} {turn}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(one.leased == 0 for one in store.stats())
    assert store.held_bytes <= store.budget_bytes


class TestDevices:
    def test_an_unknown_device_is_named(self) -> None:
        for name in ("cuda:99", "toaster"):
            with pytest.raises(DagfusionError, match=name):
                pick_device(name)

    def test_auto_finds_a_device(self) -> None:
        assert pick_device("auto") == pick_device(None)

    @pytest.mark.parametrize(
        ("precision", "wide", "expected"),
        [
            ("auto", False, torch.float32),
            ("auto", True, torch.float32),
            ("float32", False, torch.float32),
            ("bfloat16", True, torch.bfloat16),
            ("float16", False, torch.float16),
            ("float16", True, torch.float32),
        ],
    )
    def test_formats_on_the_cpu(self, precision: str, wide: bool, expected: torch.dtype) -> None:
        assert compute_dtype(torch.device("cpu"), precision, wide=wide) == expected

    @pytest.mark.parametrize(
        ("heavy", "quick", "expected"),
        [(True, True, torch.bfloat16), (False, True, torch.float32), (True, False, torch.float32)],
    )
    def test_large_networks_on_the_cpu(
        self, heavy: bool, quick: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(devices, "quick_bfloat16", lambda: quick)
        weights = Weights("large", lambda: nn.Linear(1, 1), heavy=heavy)
        assert ModelStore("cpu").dtype(weights) == expected
        assert ModelStore("cpu", "float32").dtype(weights) == torch.float32
        assert compute_dtype(torch.device("cuda"), "auto", wide=False, heavy=heavy) == torch.float16

    def test_an_unknown_precision_is_named(self) -> None:
        with pytest.raises(DagfusionError, match="int3"):
            ModelStore("cpu", "int3")

    def test_the_default_budget_is_part_of_the_memory(self) -> None:
        assert 0 < default_budget_bytes(torch.device("cpu")) < 2**50


@dataclass(frozen=True)
class Tilt:
    """Adds a third of each weight to it, which few formats hold exactly."""

    key: str = "tilt"

    def names(self) -> frozenset[str]:
        return frozenset({"first.weight"})

    def apply(self, name: str, weight: Tensor) -> Tensor:
        return weight * (4 / 3)


@pytest.mark.parametrize("as_stored", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_patched_weights_are_rounded_as_stored_where_that_is_asked_for(dtype: torch.dtype, as_stored: bool) -> None:
    store = ModelStore("cpu", "float32")
    handle = Weights("a", lambda: Net(3, dtype), patched_as_stored=as_stored)
    exact = Net(3, dtype).first.weight.float() * (4 / 3)
    with store.lease(handle, (Tilt(),)) as net:
        weight = net.first.weight
    assert weight.dtype is torch.float32
    assert not torch.equal(exact, exact.to(dtype).float()), "rounding makes a difference"
    assert torch.equal(weight, exact.to(dtype).float() if as_stored else exact)
