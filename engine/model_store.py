"""Loaded networks: one copy of each weight set, kept under memory budgets, lent out with patches applied."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.computing import Computing
from engine.derived import Derived
from engine.devices import compute_dtype, default_budget_bytes, pick_device
from engine.errors import DagfusionError, DeviceMemoryExhausted
from engine.loaded import LoadedNetwork, PatchedCopy, detach
from engine.module_tensors import replace_tensors, tensors_of
from engine.stored import brought, bytes_as, bytes_of, cast_when_used
from engine.weights import WeightPatch, Weights

RELEASE_EVERY_BYTES = 128 * 2**20
_Key = tuple[str, tuple[str, ...]]  # of the weights, and of the patches in their order


@dataclass(frozen=True, slots=True)
class Held:
    """What the store says of one network that it holds. ``bytes_held`` counts only what no other one shares."""

    label: str
    key: str
    patches: tuple[str, ...]
    device: str
    bytes_held: int
    leased: int


class ModelStore:
    """Keeps networks on a device, each weight set once, within a budget; drops the least recently used first.

    ``device``: a torch device or None for the best there is; ``precision``: see :func:`engine.devices.compute_dtype`;
    ``computing``: by which kernels, for those who run the networks. The budget is ``ram_budget_bytes`` on the CPU and
    ``vram_budget_bytes`` elsewhere; without one it is a share of the memory. A network that is lent is never dropped,
    so a single one larger than the budget still runs. All methods may be called from any thread; a network may be lent
    several times at once and must not be written to. Whoever needs a network first loads it, others wait for that one;
    nothing else waits: no lock is held while a file is read or a tensor copied. ``derived`` is for what those who run
    the networks make of single tensors; it counts towards the budget.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        precision: str = "auto",
        ram_budget_bytes: int | None = None,
        vram_budget_bytes: int | None = None,
        computing: Computing | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.precision = precision
        self.computing = computing or Computing()
        compute_dtype(self.device, precision, wide=False)
        budget = ram_budget_bytes if self.device.type == "cpu" else vram_budget_bytes
        self.budget_bytes = default_budget_bytes(self.device) if budget is None else budget
        self.derived = Derived(lambda: self.budget_bytes - self.held_bytes)
        self._lock = threading.RLock()
        self._loaded: dict[_Key, LoadedNetwork] = {}
        self._loading: dict[_Key, Future[None]] = {}  # networks that are on their way, or set aside for a while
        self._reserved: dict[_Key, int] = {}  # the bytes of those that are on their way
        self._shapes: dict[str, Mapping[str, tuple[int, ...]]] = {}
        self._clock = 0
        self.loads = 0  # networks that were brought to the device, since this was made

    def dtype(self, weights: Weights) -> torch.dtype:
        """The number format that this network computes in here."""
        return compute_dtype(self.device, self.precision, wide=weights.wide, heavy=weights.heavy)

    @contextmanager
    def lease(self, weights: Weights, patches: Sequence[WeightPatch] = ()) -> Iterator[nn.Module]:
        """The network on the device, with ``patches`` applied in order; read-only, and kept until the lease ends.

        Raises ``DeviceMemoryExhausted`` where it does not fit even alone.
        """
        loaded = self._acquire(weights, tuple(patches))
        try:
            yield loaded.module
        finally:
            with self._lock:
                for one in filter(None, (loaded, loaded.base)):
                    one.leased -= 1
            self._make_room()

    def shapes(self, weights: Weights) -> Mapping[str, tuple[int, ...]]:
        """The shape of each parameter by name, without putting the network onto the device."""
        with self._lock:
            known = self._shapes.get(weights.key)
        if known is None:
            known = {name: tuple(parameter.shape) for name, parameter in weights.build().named_parameters()}
            with self._lock:
                self._shapes[weights.key] = known
        return known

    def free(self) -> None:
        """Drop every network that is not lent."""
        with self._lock:
            self.derived.clear()
            evicted = self._evict_until(lambda: False)
        self._let_go(evicted)

    def move_to(self, device: str | torch.device | None, precision: str) -> None:
        """Take what is held to another device, from memory: no file is read. Patched networks are dropped.

        Nothing may be lent. Raises ``DagfusionError`` where there is no such device, or something is lent.
        """
        with self._set_aside() as held:
            if any(one.leased for one in held.values()):
                raise DagfusionError("networks cannot move to another device while they are in use")
            self.derived.clear()
            self.device, self.precision = pick_device(device), precision
            self.budget_bytes = default_budget_bytes(self.device)
            for key in [key for key, one in held.items() if one.base is not None]:
                del held[key]
            for one in held.values():
                self._bring(one.module, one.weights)
                one.size_bytes = sum(map(bytes_of, tensors_of(one.module)))
        self._make_room()

    def detach_from_files(self) -> None:
        """Copy what is held into memory of this process's own, so that no file is read when it is used or moved."""
        with self._set_aside() as held:
            for one in held.values():
                if one.base is None:
                    detach(one)

    def stats(self) -> list[Held]:
        """What is held, most recently used first."""
        with self._lock:
            held = sorted(self._loaded.values(), key=lambda one: -one.used_at)
            return [
                Held(one.weights.label, one.weights.key, one.patches, str(self.device), one.size_bytes, one.leased)
                for one in held
            ]

    @property
    def held_bytes(self) -> int:
        """Bytes of weights on the device or on their way, shared tensors counted once, and of what was made of them."""
        with self._lock:
            loaded = sum(one.size_bytes for one in self._loaded.values())
            return loaded + sum(self._reserved.values()) + self.derived.bytes

    def _acquire(self, weights: Weights, patches: tuple[WeightPatch, ...]) -> LoadedNetwork:
        base = self._obtain((weights.key, ()), lambda: self._activate(weights))
        if not patches:
            return base
        try:
            key = (weights.key, tuple(patch.key for patch in patches))
            return self._obtain(key, lambda: self._patch(base, patches))
        except BaseException:
            with self._lock:
                base.leased -= 1
            raise

    def _obtain(self, key: _Key, load: Callable[[], LoadedNetwork]) -> LoadedNetwork:
        """The network under ``key``, lent once more. Who waited for another one's load that failed tries it too."""
        while True:
            with self._lock:
                if key in self._loaded:
                    return self._touch(self._loaded[key])
                loading = self._loading.get(key)
                if loading is None:
                    mine = self._loading[key] = Future()
                    break
            wait([loading])
        try:
            loaded = self._retrying(load)
            with self._lock:
                self._loaded[key] = loaded
                return self._touch(loaded)
        finally:
            with self._lock:
                self._reserved.pop(key, None)
                del self._loading[key]
            mine.set_result(None)

    @contextmanager
    def _set_aside(self) -> Iterator[dict[_Key, LoadedNetwork]]:
        """All that is held. Who needs some of it waits until the end, when what is left in there is put back."""
        with self._lock:
            held, self._loaded = self._loaded, {}
            mine: Future[None] = Future()
            keys = list(held)
            self._loading.update(dict.fromkeys(keys, mine))
        try:
            yield held
        finally:
            with self._lock:
                self._loaded.update(held)
                for key in keys:
                    del self._loading[key]
            mine.set_result(None)

    def _touch(self, loaded: LoadedNetwork) -> LoadedNetwork:
        """To be called with the lock held."""
        self._clock += 1
        loaded.used_at = self._clock
        loaded.leased += 1
        return loaded

    def _retrying(self, load: Callable[[], LoadedNetwork]) -> LoadedNetwork:
        try:
            return load()
        except torch.OutOfMemoryError:
            self.free()
        try:
            return load()
        except torch.OutOfMemoryError as error:
            message = f"the memory of device '{self.device}' does not hold this network"
            raise DeviceMemoryExhausted(message, remedy="use a smaller model or a lower precision") from error

    def _activate(self, weights: Weights) -> LoadedNetwork:
        self.loads += 1
        module = weights.build().requires_grad_(False).eval()
        dtype = self.dtype(weights)
        stored = dict(module.named_parameters())
        lays_out = self._lays_out(weights)
        size_bytes = sum(bytes_as(tensor, self.device, dtype, lays_out=lays_out) for tensor in tensors_of(module))
        self._make_room(size_bytes, (weights.key, ()))
        self._bring(module, weights)
        return LoadedNetwork(weights, (), module, stored, size_bytes)

    def _lays_out(self, weights: Weights) -> bool:
        """Whether convolutions of the network have another copy of their weights to compute with: see ``derived``."""
        return weights.heavy and self.computing.compile == "off"

    def _bring(self, module: nn.Module, weights: Weights) -> None:
        """Put the network's tensors onto the device, in the format that it computes in there."""
        dtype = self.dtype(weights)
        lays_out = self._lays_out(weights)
        copied = 0

        def move(tensor: Tensor) -> Tensor:
            nonlocal copied
            moved = brought(tensor, self.device, dtype, lays_out=lays_out)
            copied += 0 if moved is tensor or cast_when_used(moved) else bytes_of(moved)
            if copied > RELEASE_EVERY_BYTES:
                weights.release()
                copied = 0
            return moved

        replace_tensors(module, move)
        weights.release()

    def _patch(self, base: LoadedNetwork, patches: tuple[WeightPatch, ...]) -> LoadedNetwork:
        copied = PatchedCopy(base, patches)
        self._make_room(copied.size_bytes, (base.weights.key, copied.keys))
        return copied.make()

    def _make_room(self, size_bytes: int = 0, key: _Key | None = None) -> None:
        """For so many bytes more, which are kept for ``key``. What can be made again goes first."""
        with self._lock:
            if key is not None:
                self._reserved[key] = size_bytes
            if self.held_bytes > self.budget_bytes:
                self.derived.clear()
            evicted = self._evict_until(lambda: self.held_bytes <= self.budget_bytes)
        self._let_go(evicted)

    def _evict_until(self, enough: Callable[[], bool]) -> list[LoadedNetwork]:
        """To be called with the lock held."""
        evicted = []
        while not enough():
            bases = {id(one.base) for one in self._loaded.values()}
            idle = [one for one in self._loaded.values() if not one.leased and id(one) not in bases]
            if not idle:
                break
            oldest = min(idle, key=lambda one: one.used_at)
            evicted.append(self._loaded.pop((oldest.weights.key, oldest.patches)))
        return evicted

    def _let_go(self, evicted: list[LoadedNetwork]) -> None:
        """Give their memory back, which may take a while: to be called without the lock."""
        if evicted and self.device.type == "cuda":
            evicted.clear()
            gc.collect()
            torch.cuda.empty_cache()
