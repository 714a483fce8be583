"""Inputs that picture and mask nodes share."""

from __future__ import annotations

from typing import Annotated

from engine.inputs import MAX_SIDE_PX, Choice, Float, Int, Text

Side = Annotated[int, Int(min=1, max=MAX_SIDE_PX, step=1)]
Offset = Annotated[int, Int(min=0, max=MAX_SIDE_PX, step=1)]
Border = Annotated[int, Int(min=0, max=MAX_SIDE_PX, step=8)]
Color = Annotated[int, Int(min=0, max=0xFFFFFF, step=1, display="color")]
Fraction = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
ResizeMethod = Annotated[str, Choice("nearest-exact", "bilinear", "area", "bicubic", "lanczos")]
Prefix = Annotated[str, Text()]
Lines = Annotated[str, Text(multiline=True)]
