"""Colours as texts: ``#rrggbb``, as front ends' colour fields write them."""

from __future__ import annotations

WHITE = (255, 255, 255)


def rgb_levels(color: str, otherwise: tuple[int, int, int] = WHITE) -> tuple[int, int, int]:
    """The three levels, 0..255; ``otherwise`` for what is not written so."""
    digits = color.lstrip("#")
    if len(digits) != 6:
        return otherwise
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        return otherwise
    return red, green, blue
