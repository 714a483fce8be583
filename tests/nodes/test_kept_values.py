"""Values that are kept on disk come back equal bit for bit; what holds anything else is not kept."""

from __future__ import annotations

import struct
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.disk_cache.file_format import from_bytes, to_bytes
from engine.disk_cache.values import Kinds, Unwritable
from engine.entry import Entry
from engine.types import Blocked, Image, Mask, Video
from nodes import builtin_registry
from nodes.kept_values import KEPT_TYPES
from nodes.latent_space import LatentSpace
from nodes.values import Area, Cond, Conditioning, Control, Latent

KINDS = Kinds(KEPT_TYPES)
DTYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
)
SPECIAL = torch.tensor([float("nan"), -0.0, 0.0, float("inf"), -float("inf"), 1e-45, 3.4e38])


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Any bits in any shape, empty ones too, in memory in any order of the dimensions; some cut out of larger ones."""
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(st.lists(st.integers(0, 3), max_size=4))
    seed = draw(st.integers(0, 2**32))
    count = int(torch.tensor(shape).prod()) if shape else 1
    size = count * torch.empty((), dtype=dtype).element_size()
    raw = torch.randint(0, 256, (size,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    made = raw.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)
    made = made.permute(draw(st.permutations(range(made.dim()))))
    return made[..., :-1] if made.dim() and draw(st.booleans()) else made


reals = st.floats(allow_nan=True, allow_subnormal=True, width=64)
plain = st.one_of(st.none(), st.booleans(), st.integers(), reals, st.text(st.characters()), tensors())
extras = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        plain, lambda inner: st.lists(inner, max_size=2) | st.lists(inner, max_size=2).map(tuple), max_leaves=5
    ),
    max_size=3,
)
areas = st.builds(Area, reals, reals, reals, reals, st.sampled_from(["latent", "fraction"]))
conds = st.builds(
    Cond,
    context=tensors(),
    pooled=st.none() | tensors(),
    strength=reals,
    area=st.none() | areas,
    mask=st.none() | tensors(),
    concat_latent=st.none() | tensors(),
    size=st.dictionaries(st.sampled_from(["width", "height"]), reals | st.integers(), max_size=2),
    default=st.booleans(),
    extra=extras | extras.map(MappingProxyType),
)
spaces = st.builds(
    LatentSpace,
    st.integers(1, 128),
    st.sampled_from([1, 2, 3]),
    factors=st.tuples(*(st.integers(1, 32),) * 3),
    scale=reals,
    means=st.lists(reals, max_size=2).map(tuple),
    rgb_factors=st.lists(st.tuples(reals, reals, reals), max_size=2).map(tuple),
)


def latents(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Latent]:
    index = st.none() | st.lists(st.integers()).map(tuple)
    return st.builds(Latent, tensors(), st.none() | tensors(), index, extras, st.none() | spaces, **fields)


values = {
    "CONDITIONING": st.builds(Conditioning, st.lists(conds, max_size=3).map(tuple)),
    "LATENT": latents(others=st.lists(latents(), max_size=2).map(tuple)),
    "IMAGE": st.builds(Image, tensors()),
    "MASK": st.builds(Mask, tensors()),
    "plain": plain,
}


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def same(a: Any, b: Any) -> bool:
    """Equal bit for bit, and of the same types all through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)
    if isinstance(a, float):
        return struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict | MappingProxyType):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    return bool(a == b)


def round_trip(*slots: Any) -> tuple[tuple[Any, ...], ...]:
    return from_bytes("n", to_bytes("n", Entry(tuple((value,) for value in slots)), KINDS), KINDS)[0].values


@pytest.mark.parametrize("wire", values)
def test_come_back_equal_bit_for_bit(wire: str) -> None:
    @given(values[wire])
    def check(value: Any) -> None:
        assert same(round_trip(value), ((value,),))

    check()


def test_every_kept_type_is_tried() -> None:
    tried = {Conditioning, Cond, Area, Latent, LatentSpace, Image, Mask}
    assert set(KEPT_TYPES) == tried


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_special_numbers(dtype: torch.dtype) -> None:
    ((image,),) = round_trip(Image(SPECIAL.to(dtype)))
    assert bits(image.pixels) == bits(SPECIAL.to(dtype))
    assert bits(image.pixels)[dtype.itemsize : 2 * dtype.itemsize] == bits(torch.tensor([-0.0], dtype=dtype))


def test_order_in_memory_is_kept() -> None:
    pixels = torch.rand(2, 3, 5, 7).contiguous(memory_format=torch.channels_last)
    ((image,),) = round_trip(Image(pixels))
    assert image.pixels.stride() == pixels.stride()
    repeated = torch.rand(1, 3).expand(4, 3)
    ((mask,),) = round_trip(Mask(repeated))
    assert mask.values.is_contiguous()
    assert torch.equal(mask.values, repeated)


def test_tensors_that_values_share_are_written_once() -> None:
    shared = torch.rand(100, 100)
    entry = Entry(tuple((Conditioning((Cond(shared, concat_latent=shared),)),) for _ in range(2)))
    data = to_bytes("n", entry, KINDS)
    assert len(data) < 1.1 * shared.numel() * 4
    (a,), (b,) = from_bytes("n", data, KINDS)[0].values
    assert a.entries[0].context.data_ptr() == a.entries[0].concat_latent.data_ptr() == b.entries[0].context.data_ptr()


def test_lists_and_empty_entries() -> None:
    for entry in (Entry(), Entry(((),)), Entry(((1, 2.0, "x"), (Conditioning(()),)))):
        assert same(from_bytes("n", to_bytes("n", entry, KINDS), KINDS)[0].values, entry.values)


class Words(str):
    """A subclass, which would come back as something else."""

    __slots__ = ()


COND = Cond(torch.zeros(1, 2, 3))
NET: Any = object()


@pytest.mark.parametrize(
    "value",
    [
        Conditioning((replace(COND, control=Control(NET, torch.zeros(1, 3, 8, 8))),)),
        Conditioning((replace(COND, extra={"hook": lambda x: x}),)),
        Latent(torch.zeros(1, 4, 8, 8), extra={"path": Path("x")}),
        Latent(torch.zeros(1, 4, 8, 8), extra={"sparse": torch.zeros(2).to_sparse()}),
        Latent(torch.zeros(1, 4, 8, 8), extra={"weights": torch.nn.Parameter(torch.zeros(2))}),
        Latent(torch.zeros(1, 4, 8, 8), extra={"conjugate": torch.zeros(2, dtype=torch.complex64).conj()}),
        Image(torch.zeros(1, 8, 8, 3, device="meta")),
        Video(),
        Blocked("no"),
        Words("x"),
        b"bytes",
        1j,
        builtin_registry,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(Unwritable):
        to_bytes("n", Entry(((value,),)), KINDS)


def test_endless_nesting_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Unwritable):
        to_bytes("n", Entry(((loop,),)), KINDS)


def test_classes_that_keep_make_what_can_be_kept() -> None:
    registry = builtin_registry()
    keeping = {name for name, spec in registry.items() if spec.keep}
    assert {"CLIPTextEncode", "CLIPTextEncodeSDXL", "VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint"} <= keeping
    wires = {kind.wire for kind in KEPT_TYPES if hasattr(kind, "wire")}
    assert {slot.wire for name in keeping for slot in registry[name].outputs} <= wires | {"INT"}  # a plain value
    assert not any(registry[name].output_node for name in keeping)


def test_a_plain_number_beside_them_is_kept() -> None:
    assert round_trip(7) == ((7,),)
