"""Nodes of LTX-Video's own: what a film starts from and is guided by, its noise levels, pictures made worse."""

from __future__ import annotations

from nodes.families.ltx.nodes.films import (
    empty_film,
    image_to_film,
    image_to_film_in_place,
    told_frame_rate,
)
from nodes.families.ltx.nodes.guides import add_guide, crop_guides
from nodes.families.ltx.nodes.levels import sample_ltx, schedule
from nodes.families.ltx.nodes.preprocess import preprocess
from nodes.families.ltx.nodes.upsampling import load_upsampler, upsample

__all__ = [
    "add_guide",
    "crop_guides",
    "empty_film",
    "image_to_film",
    "image_to_film_in_place",
    "load_upsampler",
    "preprocess",
    "sample_ltx",
    "schedule",
    "told_frame_rate",
    "upsample",
]
