"""Nodes of Wan's own: what a film starts from, ends with or follows."""

from __future__ import annotations

from nodes.families.wan.nodes.animate import animate_to_film
from nodes.families.wan.nodes.camera import camera_image_to_film, embed_camera
from nodes.families.wan.nodes.controls import (
    fun_control_to_film,
    fun_control_to_film_22,
    subjects_to_film,
    vace_to_film,
)
from nodes.families.wan.nodes.pictures import (
    first_and_last_to_film,
    image_to_film,
    image_to_latent_5b,
    inpaint_to_film,
)

__all__ = [
    "animate_to_film",
    "camera_image_to_film",
    "embed_camera",
    "first_and_last_to_film",
    "fun_control_to_film",
    "fun_control_to_film_22",
    "image_to_film",
    "image_to_latent_5b",
    "inpaint_to_film",
    "subjects_to_film",
    "vace_to_film",
]
