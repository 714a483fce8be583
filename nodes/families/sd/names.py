"""Names of a UNet's parameters: the published LDM layout's, and diffusers' own."""

from __future__ import annotations

from nodes.diffusion.ldm_names import ldm_names
from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes


def name_map(shapes: Shapes) -> NameMap:
    """LDM's names, and diffusers' own beside them; parameters that LDM does not know have diffusers'."""
    split = {name: name.rpartition(".") for name in shapes}
    modules = ldm_names({module for module, _, _ in split.values()})
    native = {f"{modules.get(module, module)}.{leaf}": name for name, (module, _, leaf) in split.items()}
    # Some files name the embedding of sizes as one of classes.
    sizes = {name.replace("add_", "class_", 1): name for name in shapes if name.startswith("add_embedding.")}
    return NameMap(whole(native), whole({**{name: name for name in shapes}, **sizes}))
