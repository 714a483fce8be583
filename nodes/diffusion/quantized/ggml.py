"""The block formats of GGML, llama.cpp's library: bytes of blocks to the numbers that they stand for.

A block is some tens of numbers of few bits, with their scales beside them. The formats, and the numbers to the last
bit, are those of the ``gguf`` package, which reads them by NumPy: https://github.com/ggml-org/llama.cpp. The usual ones
are read by torch, on any device; the rest by that package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

Decode = Callable[[Tensor], Tensor]
"""uint8[blocks, bytes of a block] to float32[blocks, numbers of a block]."""

_NIBBLES = (0, 4)
_PAIRS = (0, 2, 4, 6)
_BITS = tuple(range(8))
# The 16 values of the IQ4 formats, in steps of their scale.
_IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def decoder(kind: str) -> Decode:
    """How blocks of the format ``kind`` (``Q4_K``, say) are read."""
    return _BY_TORCH.get(kind) or _by_numpy(kind)


@cache
def _by_numpy(kind: str) -> Decode:
    import gguf

    quantization = gguf.GGMLQuantizationType[kind]

    def decode(blocks: Tensor) -> Tensor:
        numbers: Tensor = torch.from_numpy(gguf.dequantize(blocks.cpu().numpy(), quantization))
        return numbers.to(blocks.device)

    return decode


def _halves(blocks: Tensor, start: int, count: int = 1) -> Tensor:
    """float16 numbers of each block, from its byte ``start`` on: float32[blocks, count]."""
    return blocks[:, start : start + 2 * count].contiguous().view(torch.float16).float()


def _unpacked(packed: Tensor, shifts: tuple[int, ...], run: int) -> Tensor:
    """The fields of bytes, lowest first: ``run`` bytes' lowest fields, then their next ones, then the next bytes'.

    ``packed``: uint8[blocks, bytes]; ``shifts``: where the fields begin. uint8[blocks, bytes x fields].
    """
    by = torch.tensor(shifts, dtype=torch.uint8, device=packed.device)[:, None]
    mask = 2 ** (shifts[1] - shifts[0]) - 1
    fields: Tensor = (packed.reshape(len(packed), -1, 1, run) >> by) & mask
    return fields.reshape(len(packed), -1)


def _q4_0(blocks: Tensor) -> Tensor:
    return _halves(blocks, 0) * (_unpacked(blocks[:, 2:], _NIBBLES, 16).float() - 8)


def _q4_1(blocks: Tensor) -> Tensor:
    return _halves(blocks, 0) * _unpacked(blocks[:, 4:], _NIBBLES, 16).float() + _halves(blocks, 2)


def _fifth_bits(low: Tensor, high: Tensor) -> Tensor:
    """Numbers of five bits from their lower four, uint8[blocks, 32], and from 32 bits, uint8[blocks, 4]."""
    return low | (_unpacked(high, _BITS, 1) << 4)


def _q5_0(blocks: Tensor) -> Tensor:
    low = _unpacked(blocks[:, 6:], _NIBBLES, 16)
    return _halves(blocks, 0) * (_fifth_bits(low, blocks[:, 2:6]).float() - 16)


def _q5_1(blocks: Tensor) -> Tensor:
    low = _unpacked(blocks[:, 8:], _NIBBLES, 16)
    return _halves(blocks, 0) * _fifth_bits(low, blocks[:, 4:8]).float() + _halves(blocks, 2)


def _q8_0(blocks: Tensor) -> Tensor:
    return blocks[:, 2:].contiguous().view(torch.int8).float() * _halves(blocks, 0)


def _groups(numbers: Tensor, scales: Tensor, least: Tensor | None = None) -> Tensor:
    """A block's ``numbers`` times a scale for each group of them, less a number for each group."""
    made = scales[..., None] * numbers.float().reshape(*scales.shape, -1)
    return (made if least is None else made - least[..., None]).flatten(1)


def _q2_k(blocks: Tensor) -> Tensor:
    scales = blocks[:, :16]
    numbers = _unpacked(blocks[:, 16:80], _PAIRS, 32)
    return _groups(numbers, _halves(blocks, 80) * (scales & 0xF).float(), _halves(blocks, 82) * (scales >> 4).float())


def _q3_k(blocks: Tensor) -> Tensor:
    # 16 scales of six bits: the lower four of each in eight bytes, the upper two in the next four.
    scales = _unpacked(blocks[:, 96:104], _NIBBLES, 8) | (_unpacked(blocks[:, 104:108], _PAIRS, 4) << 4)
    low, high = _unpacked(blocks[:, 32:96], _PAIRS, 32), _unpacked(blocks[:, :32], _BITS, 32)
    # A missing upper bit takes four away.
    return _groups(low.float() - ((high ^ 1) << 2).float(), _halves(blocks, 108) * (scales.float() - 32))


def _scales_of_k(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Eight scales and eight least numbers, of six bits each, from 12 bytes: float32[blocks, 8]."""
    scales, least, last = packed.reshape(-1, 3, 4).unbind(1)
    upper_scales = (last & 0x0F) | ((scales >> 2) & 0x30)
    upper_least = (last >> 4) | ((least >> 2) & 0x30)
    return torch.cat([scales & 0x3F, upper_scales], -1).float(), torch.cat([least & 0x3F, upper_least], -1).float()


def _q4_k(blocks: Tensor) -> Tensor:
    scales, least = _scales_of_k(blocks[:, 4:16])
    numbers = _unpacked(blocks[:, 16:], _NIBBLES, 32)
    return _groups(numbers, _halves(blocks, 0) * scales, _halves(blocks, 2) * least)


def _q5_k(blocks: Tensor) -> Tensor:
    scales, least = _scales_of_k(blocks[:, 4:16])
    numbers = _unpacked(blocks[:, 48:], _NIBBLES, 32) | (_unpacked(blocks[:, 16:48], _BITS, 32) << 4)
    return _groups(numbers, _halves(blocks, 0) * scales, _halves(blocks, 2) * least)


def _q6_k(blocks: Tensor) -> Tensor:
    numbers = _unpacked(blocks[:, :128], _NIBBLES, 64) | (_unpacked(blocks[:, 128:192], _PAIRS, 32) << 4)
    scales = blocks[:, 192:208].contiguous().view(torch.int8).float()
    return _groups(numbers.float() - 32, _halves(blocks, 208) * scales)


def _iq4_values(packed: Tensor) -> Tensor:
    values = torch.tensor(_IQ4, dtype=torch.float32, device=packed.device)
    return values[_unpacked(packed, _NIBBLES, 16).int()]


def _iq4_nl(blocks: Tensor) -> Tensor:
    return _halves(blocks, 0) * _iq4_values(blocks[:, 2:])


def _iq4_xs(blocks: Tensor) -> Tensor:
    scales = _unpacked(blocks[:, 4:8], _NIBBLES, 1) | (_unpacked(blocks[:, 2:4], _PAIRS, 1) << 4)
    return _groups(_iq4_values(blocks[:, 8:]), _halves(blocks, 0) * (scales.float() - 32))


_BY_TORCH: Mapping[str, Decode] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
}
