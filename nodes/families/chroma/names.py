"""Where the tensors of a Chroma file, in its authors' layout, are in diffusers' module."""

from __future__ import annotations

from nodes.diffusion.name_map import NameMap, by_table, whole
from nodes.families.flux.names import BLOCKS
from nodes.families.marks import Shapes

_ELSE: dict[str, tuple[str, ...]] = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "distilled_guidance_layer.in_proj": ("distilled_guidance_layer.in_proj",),
    "distilled_guidance_layer.out_proj": ("distilled_guidance_layer.out_proj",),
    "distilled_guidance_layer.layers.{}.in_layer": ("distilled_guidance_layer.layers.{}.linear_1",),
    "distilled_guidance_layer.layers.{}.out_layer": ("distilled_guidance_layer.layers.{}.linear_2",),
    "distilled_guidance_layer.norms.{}.scale": ("distilled_guidance_layer.norms.{}.weight",),
    "final_layer.linear": ("proj_out",),
}


def name_map(shapes: Shapes) -> NameMap:
    """The authors' names, with diffusers' own beside them. ``shapes``: of a ``ChromaTransformer2DModel``."""
    return NameMap(by_table(BLOCKS | _ELSE, shapes), others=whole({name: name for name in shapes}))
