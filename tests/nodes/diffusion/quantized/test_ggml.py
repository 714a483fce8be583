"""GGML's block formats: the numbers of the ``gguf`` package, to the last bit, for any bytes of blocks."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch

from engine.quantized import Quantized
from nodes.diffusion.quantized.ggml import decoder
from nodes.diffusion.quantized.sources import Blocks
from nodes.families.gguf_header import block_formats

FORMATS = {
    title: (block, size)
    for title, block, size in block_formats().values()
    if block > 1 and gguf.GGMLQuantizationType[title] in gguf.quants._type_traits
}


def blocks(kind: str, count: int) -> torch.Tensor:
    """Random bytes of ``count`` blocks, but for their scales, which are numbers."""
    made = np.random.default_rng(5).integers(0, 256, (count, FORMATS[kind][1]), dtype=np.uint8)
    if kind not in ("MXFP4", "NVFP4"):
        made[:, 1::2] &= 0xBB  # no exponent of all ones, wherever the float16 scales are
    return torch.from_numpy(made)


@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_are_those_of_the_package(kind: str) -> None:
    stored = blocks(kind, 96)
    exact = gguf.dequantize(stored.numpy(), gguf.GGMLQuantizationType[kind])
    made = decoder(kind)(stored).numpy().reshape(exact.shape)
    assert np.array_equal(made.view(np.uint32), exact.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("kind", ["Q4_K", "Q8_0", "IQ2_XS"])
def test_rows_of_a_table_are_rows_of_all_of_it(kind: str) -> None:
    block = FORMATS[kind][0]
    table = Quantized(Blocks(blocks(kind, 24), kind, (12, 2 * block)), torch.float32)
    ids = torch.tensor([[3, 0], [11, 3]])
    found = torch.nn.functional.embedding(ids, table)
    assert torch.equal(found, table.numbers()[ids])
    assert torch.equal(table[5], table.numbers()[5])


def test_numbers_are_made_when_they_are_used_and_nothing_else_makes_them() -> None:
    weight = Quantized(Blocks(blocks("Q4_0", 32), "Q4_0", (16, 64)), torch.float32)
    assert weight.stored_bytes == 32 * 18
    half = weight.to(torch.bfloat16)
    assert isinstance(half, Quantized)
    assert half.source is weight.source
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.nn.functional.linear(x, weight), torch.nn.functional.linear(x, weight.numbers()))
    with pytest.raises(TypeError, match="cannot be written to"):
        weight.add_(1)
