"""From HDR and wide colours to what ordinary screens show (BT.709 primaries, sRGB's curve).

Light is relative to SDR white. PQ (SMPTE ST 2084) is absolute, with white at 203 cd/m2; HLG (ARIB STD-B67) is scene
light, with white at 75 % of the signal: both as ITU-R BT.2408 has it. Up to three quarters of white nothing changes;
above, a rational curve with the same slope leads to the peak (1000 cd/m2, or HLG's highest level), taken by the largest
of the three channels, so that bright colours keep their hue.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nodes.media.colour import Meaning

_PQ_WHITE, _PQ_PEAK = 203.0, 1000.0
_HLG_WHITE = 0.26496256  # scene light at 75 % of the signal
_KNEE = 0.75
# Linear light in these primaries to BT.709's (white D65): ITU-R BT.2087, and SMPTE EG 432-1.
_TO_BT709 = {
    "bt2020": ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    "p3": ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
_STEPS = 4096


def to_sdr(pixels: np.ndarray, meaning: Meaning) -> np.ndarray:
    """float32[height, width, 3], 0..1 as stored, as sRGB, 0..1."""
    light = np.interp(pixels, *_curve(meaning.transfer)).astype(np.float32)
    matrix = _TO_BT709.get(meaning.primaries)
    if matrix is not None:
        light = light @ np.asarray(matrix, dtype=np.float32).T
    np.maximum(light, 0, out=light)
    if meaning.transfer != "sdr":
        brightest = light.max(axis=-1, keepdims=True)
        light *= shoulder(brightest, _peak(meaning.transfer)) / np.maximum(brightest, 1e-6)
    return _encoded(light)


def shoulder(light: np.ndarray, peak: float) -> np.ndarray:
    """Linear up to the knee, then towards 1, which ``peak`` reaches; what is brighter still is 1."""
    slope = (peak - _KNEE) / (1 - _KNEE)
    above = np.clip((light - _KNEE) / (peak - _KNEE), 0, 1)
    rolled = _KNEE + (1 - _KNEE) * above * slope / (1 + above * (slope - 1))
    return np.where(light > _KNEE, rolled, light).astype(np.float32)


def _peak(transfer: str) -> float:
    return _PQ_PEAK / _PQ_WHITE if transfer == "pq" else 1 / _HLG_WHITE


@lru_cache(maxsize=4)
def _curve(transfer: str) -> tuple[np.ndarray, np.ndarray]:
    """Signal and light relative to white, for interpolation."""
    signal = np.linspace(0, 1, _STEPS)
    if transfer == "pq":
        power = signal ** (1 / 78.84375)
        ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = 10000 / _PQ_WHITE * ratio ** (1 / 0.1593017578125)
    elif transfer == "hlg":
        low, high = signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(signal <= 0.5, low, high) / _HLG_WHITE
    else:
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return signal, light


def _encoded(light: np.ndarray) -> np.ndarray:
    """SRGB's curve (IEC 61966-2-1), by a table over the square root, which is even enough."""
    root = np.linspace(0, 1, _STEPS)
    signal = np.where(root**2 <= 0.0031308, 12.92 * root**2, 1.055 * root ** (2 / 2.4) - 0.055)
    encoded: np.ndarray = np.interp(np.sqrt(np.minimum(light, 1)), root, signal).astype(np.float32)
    return encoded
