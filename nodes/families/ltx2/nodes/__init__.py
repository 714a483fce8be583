"""Nodes of LTX-2's own: its encoders, its sound, and film and sound as one latent."""

from __future__ import annotations

from nodes.families.ltx2.nodes.guiding import guide_film_and_sound
from nodes.families.ltx2.nodes.loaders import load_sound_vae, load_text_encoder
from nodes.families.ltx2.nodes.sounds import decode_sound, empty_sound, join_sound, take_apart

__all__ = [
    "decode_sound",
    "empty_sound",
    "guide_film_and_sound",
    "join_sound",
    "load_sound_vae",
    "load_text_encoder",
    "take_apart",
]
