"""Names of the parameters of Stable Video Diffusion's UNet: the published LDM layout's, with layers over time."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.diffusion.ldm_names import diffusers_names, ldm_names
from nodes.diffusion.name_map import NameMap, whole
from nodes.families.marks import Shapes

_TIME, _BLOCKS = ".time_stack.", ".temporal_transformer_blocks."
_PLACES = {"time_pos_embed.0": "time_pos_embed.linear_1", "time_pos_embed.2": "time_pos_embed.linear_2"}
_SPATIAL, _TEMPORAL = ".spatial_res_block.", ".temporal_res_block."
_MIX = "time_mixer.mix_factor"


def name_map(shapes: Shapes) -> NameMap:
    """LDM's names; ``shapes``: by diffusers' names of a UNet."""
    plain = {name: _plain(name) for name in shapes}
    modules = ldm_names({each.rpartition(".")[0] for each in plain.values()})
    native = {_with_time(name, each, modules): name for name, each in plain.items()}
    return NameMap(whole(native))


def file_names(names: Iterable[str]) -> list[str]:
    """Of a file's names, those of layers that a UNet of pictures has too."""
    return [name for name in names if _TIME not in name and _MIX not in name and "time_pos_embed" not in name]


def levels(names: Iterable[str]) -> dict[str, str]:
    """The diffusers name of each tensor of a file that a UNet of pictures has too."""
    return diffusers_names(file_names(names))


def _plain(name: str) -> str:
    """The name that a UNet of pictures has for a parameter in the same place."""
    for part in (_SPATIAL, _TEMPORAL):
        name = name.replace(part, ".")
    return name.replace(_BLOCKS, ".transformer_blocks.")


def _with_time(name: str, plain: str, modules: dict[str, str]) -> str:
    """The file's name for a parameter; ``plain``: see :func:`_plain`."""
    module, _, leaf = plain.rpartition(".")
    if name.endswith(_MIX):
        return f"{_block(module.removesuffix('.time_mixer'), modules)}.{_MIX}"
    found = f"{modules[module]}.{leaf}"
    for file, own in _PLACES.items():
        found = found.replace(own, file)
    if _TEMPORAL in name:
        inner = (
            ".in_layers." if ".in_layers." in found else ".emb_layers." if ".emb_layers." in found else ".out_layers."
        )
        return found.replace(inner, f"{_TIME.rstrip('.')}{inner}")
    return found.replace(".transformer_blocks.", _TIME) if _BLOCKS in name else found


def _block(module: str, modules: dict[str, str]) -> str:
    """The file's name of a block's part, by a layer that it has."""
    for layer, suffix in ((f"{module}.norm1", ".in_layers.0"), (f"{module}.norm", ".norm")):
        if layer in modules:
            return modules[layer].removesuffix(suffix)
    return modules[module]
