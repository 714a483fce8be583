"""Which parts of the LoRA files that a checked workflow names will be left out, from headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.counted import counted
from engine.notes import Note
from engine.resolved import ResolvedNode
from nodes.diffusion.ldm_names import diffusers_names
from nodes.families.headers import read_shapes
from nodes.families.lora_names import OF_TEXT, few, split
from nodes.families.marks import Shapes
from nodes.families.recognition import prefix_of

_LOADERS = ("LoraLoader", "LoraLoaderModelOnly")
_FIRST_BLOCK = "input_blocks.0.0.weight"  # of every UNet's published file
_UNET_BLOCKS = ("down_blocks_", "mid_block_", "up_blocks_", "input_blocks_", "middle_block_", "output_blocks_")
_OF_MODELS = ("ckpt_name", "unet_name")
_BEFORE = ("lora_unet_", "lycoris_", "base_model_model_unet_", "base_model_model_", "model_diffusion_model_",
           "diffusion_model_", "lora_transformer_", "transformer_", "unet_", "")  # fmt: skip


def lora_notes(nodes: Mapping[str, ResolvedNode]) -> Iterator[Note]:
    """A note for each LoRA of which something is left out, as far as names tell; the run tells all."""
    for node in nodes.values():
        path = node.files.get("lora_name")
        if node.class_type not in _LOADERS or path is None:
            continue
        shapes = read_shapes(path)
        if shapes:
            for sentence in _left_out(path.name, shapes, _denoiser(node, nodes)):
                yield Note("lora", sentence, node.id, node.class_type)


def _left_out(name: str, shapes: Shapes, denoiser: Shapes) -> Iterator[str]:
    parts = {tensor: split(tensor) for tensor in shapes}
    modules = sorted({module for module, part in parts.values() if part is not None})
    if not modules:
        yield f"'{name}' holds no LoRA of a kind that is known, and changes nothing"
    if strange := [tensor for tensor, (_, part) in parts.items() if part is None]:
        count = counted(len(strange), "tensor")
        yield f"LoRA '{name}': {count} of kinds that are not applied, left out: {few(strange)}"
    known, is_whole = _known_modules(denoiser)
    own = [module for module in modules if not module.startswith(OF_TEXT)]
    missing = [module for module in own if not _is_known(module, known)]
    of_unet = _FIRST_BLOCK not in denoiser and all(_is_of_unet(module) for module in missing)
    if not own or not known or not (is_whole or of_unet or len(missing) < len(own)):
        return
    if len(missing) == len(modules):
        yield f"LoRA '{name}' changes nothing: no module of it fits this model; was it made for another family?"
    if missing:
        yield f"LoRA '{name}': {counted(len(missing), 'module')} that this model lacks, left out: {few(missing)}"


def _denoiser(node: ResolvedNode, nodes: Mapping[str, ResolvedNode]) -> Shapes:
    """The tensors of the denoiser that the model comes from, by their names in its file; none where that is unclear."""
    seen: set[str] = set()
    at: ResolvedNode | None = node
    while at is not None and at.id not in seen:
        seen.add(at.id)
        path = next((at.files[name] for name in _OF_MODELS if name in at.files), None)
        if path is not None:
            shapes = read_shapes(path) or {}
            prefix = prefix_of(shapes)
            return {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        link = at.links.get("model")
        at = None if link is None else nodes.get(link.node_id)
    return {}


def _known_modules(denoiser: Shapes) -> tuple[set[str], bool]:
    """Names of modules as files may have them, and whether these are all styles that there are of this network."""
    names = set(denoiser)
    other = diffusers_names(denoiser) if _FIRST_BLOCK in denoiser else {}
    is_whole = bool(other)
    return {_canonical(name.rpartition(".")[0]) for name in names | set(other.values())}, is_whole


def _is_known(module: str, known: set[str]) -> bool:
    name = _canonical(module)
    return any(name.startswith(before) and name[len(before) :] in known for before in _BEFORE)


def _is_of_unet(module: str) -> bool:
    name = _canonical(module)
    return any(name.startswith(before) and name[len(before) :].startswith(_UNET_BLOCKS) for before in _BEFORE)


def _canonical(name: str) -> str:
    flat = name.replace(".", "_").replace("_processor_to_", "_to_")
    return flat + "_0" if flat.endswith("_to_out") else flat
