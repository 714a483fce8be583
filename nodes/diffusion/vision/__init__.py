"""Encoders of pictures, and what style models make of their outputs."""

from nodes.diffusion.vision.encoder import encode, load_vision, load_vision_of
from nodes.diffusion.vision.style import apply_style, load_style

__all__ = ["apply_style", "encode", "load_style", "load_vision", "load_vision_of"]
