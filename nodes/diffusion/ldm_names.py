"""Names of a UNet's tensors: the published LDM layout of single files, and the diffusers modules that run them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_TOP = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_TOP_TO_LDM = {new: old for old, new in _TOP.items()}
_RESNET_TO_LDM = {new: old for old, new in _RESNET.items()}
_PART = re.compile(r"(input_blocks|output_blocks)\.(\d+)\.(\d+)\.(.+)|(middle_block)\.(\d+)\.(.+)")
_DIFFUSERS_BLOCK = re.compile(
    r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)(?:\.(.+))?"
)
_DIFFUSERS_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def diffusers_names(names: Iterable[str]) -> dict[str, str]:
    """The diffusers name of each LDM tensor name; names that belong to no part of a UNet are left out.

    The whole UNet's names are needed at once: they tell where a level ends. Works for any number of levels and layers.
    """
    names = list(names)
    blocks = _block_names(names)
    found = {}
    for name in names:
        for depth in (2, 3):
            prefix, rest = _split(name, depth)
            if prefix in _TOP:
                found[name] = f"{_TOP[prefix]}.{rest}"
            elif prefix in blocks:
                found[name] = f"{blocks[prefix]}.{_within(blocks[prefix], rest)}"
    return found


def _block_names(names: Iterable[str]) -> dict[str, str]:
    """Each part of an LDM block (``input_blocks.4.1``) with its diffusers module (``down_blocks.1.attentions.0``)."""
    parts = _parts(names)
    found = {"middle_block.0": "mid_block.resnets.0"}
    if parts.get("middle_block.1") == "transformer":
        found |= {"middle_block.1": "mid_block.attentions.0", "middle_block.2": "mid_block.resnets.1"}
    level = layer = 0
    for block in range(1, _count(parts, "input_blocks")):
        if parts.get(f"input_blocks.{block}.0") == "downsample":
            found[f"input_blocks.{block}.0"] = f"down_blocks.{level}.downsamplers.0"
            level, layer = level + 1, 0
            continue
        found[f"input_blocks.{block}.0"] = f"down_blocks.{level}.resnets.{layer}"
        found[f"input_blocks.{block}.1"] = f"down_blocks.{level}.attentions.{layer}"
        layer += 1
    level = layer = 0
    for block in range(_count(parts, "output_blocks")):
        kinds = {index: parts.get(f"output_blocks.{block}.{index}") for index in (1, 2)}
        found[f"output_blocks.{block}.0"] = f"up_blocks.{level}.resnets.{layer}"
        for index, kind in kinds.items():
            module = "upsamplers.0" if kind == "upsample" else f"attentions.{layer}"
            found[f"output_blocks.{block}.{index}"] = f"up_blocks.{level}.{module}"
        level, layer = (level + 1, 0) if "upsample" in kinds.values() else (level, layer + 1)
    return found


def _within(module: str, rest: str) -> str:
    """The rest of a tensor's name within a block's part."""
    kind = module.rsplit(".", 2)[1]
    if kind == "resnets":
        inner, _, leaf = rest.rpartition(".")
        return f"{_RESNET.get(inner, inner)}.{leaf}"
    return rest.replace("op.", "conv.", 1) if kind == "downsamplers" else rest


def _split(name: str, parts: int) -> tuple[str, str]:
    pieces = name.split(".")
    return ".".join(pieces[:parts]), ".".join(pieces[parts:])


def _parts(names: Iterable[str]) -> dict[str, str]:
    """What each numbered part of a block is, by the name of some tensor within it."""
    kinds: dict[str, str] = {}
    for name in names:
        match = _PART.fullmatch(name)
        if match is None:
            continue
        stage, block, index, rest, middle, middle_index, middle_rest = match.groups()
        part = f"{stage}.{block}.{index}" if stage else f"{middle}.{middle_index}"
        kind = _kind(rest or middle_rest)
        if kind:
            kinds[part] = kind
    return kinds


def _kind(rest: str) -> str:
    if rest.startswith("in_layers."):
        return "resnet"
    if rest.startswith(("transformer_blocks.", "proj_in.")):
        return "transformer"
    if rest.startswith("op."):
        return "downsample"
    return "upsample" if rest.startswith("conv.") else ""


def _count(parts: Mapping[str, str], stage: str) -> int:
    return 1 + max((int(part.split(".")[1]) for part in parts if part.startswith(stage)), default=-1)


def ldm_names(modules: Iterable[str]) -> dict[str, str]:
    """LDM name by diffusers name, for module (not parameter) names such as ``mid_block.resnets.0.conv1``.

    The whole UNet's names are needed at once: how many blocks a level has is counted off them. Names that the LDM
    layout does not know are left out.
    """
    modules = list(modules)
    found = [match for name in modules if (match := _DIFFUSERS_BLOCK.match(name))]
    per_level = 1 + max((int(m[4]) for m in found if m[1] == "down" and m[3] == "resnets"), default=0)
    attending = {int(m[2]) for m in found if m[1] == "up" and m[3] == "attentions"}
    named = {name: _ldm_name(name, per_level, attending) for name in modules}
    return {name: ldm for name, ldm in named.items() if ldm is not None}


def _ldm_name(name: str, per_level: int, attending: set[int]) -> str | None:
    if name in _TOP_TO_LDM:
        return _TOP_TO_LDM[name]
    if match := _DIFFUSERS_MIDDLE.fullmatch(name):
        kind, index, inner = match.groups()
        position = 2 * int(index) if kind == "resnets" else 1
        return f"middle_block.{position}.{_inner_ldm(kind, inner)}"
    if match := _DIFFUSERS_BLOCK.fullmatch(name):
        side, level, kind, index, inner = match.groups()
        return _block_name(side, int(level), kind, int(index), inner or "", per_level, attending)
    return None


def _block_name(
    side: str, level: int, kind: str, index: int, inner: str, per_level: int, attending: set[int]
) -> str | None:
    if side == "down":
        first = 1 + level * (per_level + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + per_level}.0.op"
        return f"input_blocks.{first + index}.{0 if kind == 'resnets' else 1}.{_inner_ldm(kind, inner)}"
    first = level * (per_level + 1)
    if kind == "upsamplers":
        return f"output_blocks.{first + per_level}.{2 if level in attending else 1}.conv"
    return f"output_blocks.{first + index}.{0 if kind == 'resnets' else 1}.{_inner_ldm(kind, inner)}"


def _inner_ldm(kind: str, inner: str) -> str:
    return _RESNET_TO_LDM.get(inner, inner) if kind == "resnets" else inner
