"""Loaded networks: one copy of each weight set, kept under memory budgets, lent out with patches applied."""

from __future__ import annotations

import copy
import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from engine.computing import Computing
from engine.derived import Derived
from engine.devices import compute_dtype, default_budget_bytes, pick_device
from engine.errors import DagfusionError, DeviceMemoryExhausted
from engine.module_tensors import replace_tensors, set_parameter, tensors_of
from engine.weights import WeightPatch, Weights

RELEASE_EVERY_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """What the store says of one network that it holds. ``bytes_held`` counts only what no other one shares."""

    label: str
    key: str
    patches: tuple[str, ...]
    device: str
    bytes_held: int
    leased: int


@dataclass(eq=False)
class _Loaded:
    """A network on the device. A patched one has its plain one as ``base`` and shares all unchanged tensors with it."""

    weights: Weights
    patches: tuple[str, ...]
    module: nn.Module
    stored: Mapping[str, Tensor]
    size_bytes: int
    base: _Loaded | None = None
    leased: int = 0
    used_at: int = field(default=0)


class ModelStore:
    """Keeps networks on a device, each weight set once, within a budget; drops the least recently used first.

    ``device``: a torch device or None for the best there is; ``precision``: see :func:`engine.devices.compute_dtype`;
    ``computing``: by which kernels, for those who run the networks. The budget is ``ram_budget_bytes`` on the CPU and
    ``vram_budget_bytes`` elsewhere; without one it is a share of the memory. A network that is lent is never dropped,
    so a single one larger than the budget still runs. All methods may be called from any thread; a network may be lent
    several times at once and must not be written to. ``derived`` is for what those who run the networks make of single
    tensors; it counts towards the budget.
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
        self._loaded: dict[tuple[str, tuple[str, ...]], _Loaded] = {}
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
                self._make_room(0)

    def shapes(self, weights: Weights) -> Mapping[str, tuple[int, ...]]:
        """The shape of each parameter by name, without putting the network onto the device."""
        with self._lock:
            if weights.key not in self._shapes:
                parameters = weights.build().named_parameters()
                self._shapes[weights.key] = {name: tuple(parameter.shape) for name, parameter in parameters}
            return self._shapes[weights.key]

    def free(self) -> None:
        """Drop every network that is not lent."""
        with self._lock:
            self.derived.clear()
            self._evict_until(lambda: False)

    def move_to(self, device: str | torch.device | None, precision: str) -> None:
        """Take what is held to another device, from memory: no file is read. Patched networks are dropped.

        Nothing may be lent. Raises ``DagfusionError`` where there is no such device, or something is lent.
        """
        with self._lock:
            if any(one.leased for one in self._loaded.values()):
                raise DagfusionError("networks cannot move to another device while they are in use")
            self.derived.clear()
            self.device, self.precision = pick_device(device), precision
            self.budget_bytes = default_budget_bytes(self.device)
            self._loaded = {key: one for key, one in self._loaded.items() if one.base is None}
            for one in self._loaded.values():
                self._bring(one.module, one.weights)
                one.size_bytes = sum(tensor.nbytes for tensor in tensors_of(one.module))
            self._make_room(0)

    def detach_from_files(self) -> None:
        """Copy what is held into memory of this process's own, so that no file is read when it is used or moved."""
        with self._lock:
            for one in self._loaded.values():
                if one.base is None:
                    replace_tensors(one.module, torch.Tensor.clone)

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
        """Bytes of weights on the device, shared tensors counted once, and of what was made from them."""
        with self._lock:
            return sum(one.size_bytes for one in self._loaded.values()) + self.derived.bytes

    def _acquire(self, weights: Weights, patches: tuple[WeightPatch, ...]) -> _Loaded:
        with self._lock:
            base = self._loaded.get((weights.key, ())) or self._retrying(lambda: self._activate(weights))
            self._touch(base)
            if not patches:
                return base
            try:
                key = tuple(patch.key for patch in patches)
                patched = self._loaded.get((weights.key, key)) or self._retrying(lambda: self._patch(base, patches))
            except BaseException:
                base.leased -= 1
                raise
            return self._touch(patched)

    def _touch(self, loaded: _Loaded) -> _Loaded:
        self._clock += 1
        loaded.used_at = self._clock
        loaded.leased += 1
        self._loaded[loaded.weights.key, loaded.patches] = loaded
        return loaded

    def _retrying(self, load: Callable[[], _Loaded]) -> _Loaded:
        try:
            return load()
        except torch.OutOfMemoryError:
            self.free()
        try:
            return load()
        except torch.OutOfMemoryError as error:
            message = f"the memory of device '{self.device}' does not hold this network"
            raise DeviceMemoryExhausted(message, remedy="use a smaller model or a lower precision") from error

    def _activate(self, weights: Weights) -> _Loaded:
        self.loads += 1
        module = weights.build().requires_grad_(False).eval()
        dtype = self.dtype(weights)
        stored = dict(module.named_parameters())
        size_bytes = sum(_bytes_as(tensor, dtype) for tensor in tensors_of(module))
        self._make_room(size_bytes)
        self._bring(module, weights)
        return _Loaded(weights, (), module, stored, size_bytes)

    def _bring(self, module: nn.Module, weights: Weights) -> None:
        """Put the network's tensors onto the device, in the format that it computes in there."""
        dtype = self.dtype(weights)
        copied = 0

        def move(tensor: Tensor) -> Tensor:
            nonlocal copied
            moved = tensor.to(self.device, dtype if tensor.is_floating_point() else tensor.dtype)
            copied += tensor.nbytes if moved is not tensor else 0
            if copied > RELEASE_EVERY_BYTES:
                weights.release()
                copied = 0
            return moved

        self._dequantize(module, weights, dtype)
        replace_tensors(module, move)
        weights.release()

    def _dequantize(self, module: nn.Module, weights: Weights, dtype: torch.dtype) -> None:
        """In place of each 8-bit weight that has a scale, put what it stands for."""
        read = 0
        for name, parameter in list(module.named_parameters()):
            if parameter.dtype.itemsize > 1 or (scale := weights.scale(name)) is None:
                continue
            set_parameter(module, name, _dequantized(parameter, scale, self.device).to(dtype))
            read += parameter.nbytes
            if read > RELEASE_EVERY_BYTES:
                weights.release()
                read = 0

    def _patch(self, base: _Loaded, patches: tuple[WeightPatch, ...]) -> _Loaded:
        # Tensors are shared with the base network; only the tree of modules that refers to them is copied.
        module = copy.deepcopy(base.module, {id(tensor): tensor for tensor in tensors_of(base.module)})
        active = dict(base.module.named_parameters())
        changed_by = [(patch, patch.names()) for patch in patches]
        names = sorted(frozenset().union(*(changed for _, changed in changed_by)))
        absent = [name for name in names if name not in active]
        if absent:
            raise DagfusionError(
                f"a patch changes '{absent[0]}', which {base.weights.label or 'the network'} lacks",
                remedy="use what was made for this network",
            )
        size_bytes = sum(active[name].nbytes for name in names)
        self._make_room(size_bytes)
        with torch.no_grad():
            for name in names:
                weight = _exact(base.stored[name], active[name], base.weights.scale(name))
                for patch, changed in changed_by:
                    if name in changed:
                        weight = patch.apply(name, weight)
                if base.weights.patched_as_stored and base.stored[name].dtype.itemsize > 1:
                    weight = weight.to(base.stored[name].dtype)
                set_parameter(module, name, weight.to(active[name]))
        base.weights.release()
        return _Loaded(base.weights, tuple(p.key for p in patches), module, {}, size_bytes, base)

    def _make_room(self, size_bytes: int) -> None:
        """For so many bytes more. What can be made again goes first."""
        if self.held_bytes + size_bytes > self.budget_bytes:
            self.derived.clear()
        self._evict_until(lambda: self.held_bytes + size_bytes <= self.budget_bytes)

    def _evict_until(self, enough: Callable[[], bool]) -> None:
        evicted = False
        while not enough():
            bases = {id(one.base) for one in self._loaded.values()}
            idle = [one for one in self._loaded.values() if not one.leased and id(one) not in bases]
            if not idle:
                break
            oldest = min(idle, key=lambda one: one.used_at)
            del self._loaded[oldest.weights.key, oldest.patches]
            evicted = True
        if evicted and self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def _bytes_as(tensor: Tensor, dtype: torch.dtype) -> int:
    return tensor.numel() * (dtype.itemsize if tensor.is_floating_point() else tensor.element_size())


def _dequantized(stored: Tensor, scale: Tensor, device: torch.device) -> Tensor:
    """The weight that ``stored`` times ``scale`` (one number, or one for each row) is: float32, on ``device``."""
    by_row = scale.to(device).reshape(-1, *[1] * (stored.ndim - 1)) if scale.numel() > 1 else scale.to(device)
    return stored.detach().to(device, torch.float32) * by_row


def _exact(stored: Tensor, active: Tensor, scale: Tensor | None) -> Tensor:
    """The weight in float32 on the device, from the copy there unless casting has rounded that one."""
    rounded = active.dtype not in (stored.dtype, torch.float32)
    if rounded and scale is not None:
        return _dequantized(stored, scale, active.device)
    return (stored if rounded else active).detach().to(active.device, torch.float32)
