"""Finds what is wrong with the model files that a checked workflow names, from their headers alone.

It says of a file what the built-in loaders would say, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from engine.errors import ModelUnreadable, Problem
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from nodes.families.encoder_fit import encoder_problems
from nodes.families.family import Family
from nodes.families.found import control_kinds, encoder_kinds, families, vae_kinds
from nodes.families.headers import is_pickled, shapes_of
from nodes.families.marks import Shapes, any_fits
from nodes.families.pickle_contents import stored_tensors, strange_names
from nodes.families.recognition import WHOLE, prefix_of, recognise

CODE = "model_not_supported"
UNREADABLE = "model_unreadable"
PART_MISSING = "model_part_missing"
_WEIGHTS = frozenset(
    {
        *("checkpoints", "diffusion_models", "vae", "loras", "controlnet", "text_encoders", "upscale_models"),
        *("clip_vision", "ipadapter"),
    }
)
_PARTS = {1: "text encoder", 2: "VAE"}
_REMEDIES = {1: "load one with CLIPLoader or DualCLIPLoader", 2: "load one with VAELoader"}
GIB = 2**30


def file_problems(nodes: Mapping[str, ResolvedNode], pickled_bytes: float = float("inf")) -> Iterator[Problem]:
    """A problem for each file that a loader here would refuse, and for each part that a checkpoint lacks.

    ``pickled_bytes``: how large pickled files may be.
    """
    for node_id, node in nodes.items():
        for name, path in node.files.items() if _is_ours(node) else ():
            marker = node.spec.inputs[name].marker
            if isinstance(marker, FileChoice) and marker.kind in _WEIGHTS:
                for code, message, remedy in _refusals(node.class_type, marker.kind, path, pickled_bytes):
                    yield Problem(code, message, remedy, node_id=node_id, class_type=node.spec.name, input=name)
        yield from _missing_parts(node, nodes)
    yield from encoder_problems(nodes)


def _is_ours(node: ResolvedNode) -> bool:
    """Classes of users may read files as they like."""
    return node.spec.run.__module__.startswith("nodes.")


_Refusal = tuple[str, str, str]


def _refusals(class_type: str, kind: str, path: Path, pickled_bytes: float) -> tuple[_Refusal, ...]:
    try:
        stat = path.stat()
        return _refusals_of(class_type, kind, path, pickled_bytes, stat.st_size, stat.st_mtime_ns)
    except OSError:
        return ()  # removed since the check


@lru_cache(maxsize=512)
def _refusals_of(
    class_type: str, kind: str, path: Path, pickled_bytes: float, _size_bytes: int, _changed: int
) -> tuple[_Refusal, ...]:
    return tuple(_read_refusals(class_type, kind, path, pickled_bytes))


def _read_refusals(class_type: str, kind: str, path: Path, pickled_bytes: float) -> Iterator[_Refusal]:
    try:
        shapes = shapes_of(path)
        with path.open("rb") as file:
            pickled = is_pickled(file.read(9))
    except ModelUnreadable as error:
        yield UNREADABLE, error.message, error.remedy
        return
    if pickled and (refused := list(_of_pickle(path, pickled_bytes))):
        yield from refused
    elif class_type == "UpscaleModelLoader":
        if (stored_tensors(path) if pickled else _convolutions(shapes)) < _LEAST_CONVOLUTIONS:
            yield CODE, f"'{path.name}' holds no upscaler: {_UPSCALER}", "take another file"
    elif pickled:
        return
    elif kind in ("checkpoints", "diffusion_models"):
        yield from _of_denoiser(class_type, path, shapes)
    elif (known := _KINDS.get(class_type)) is not None and not known[0](shapes):
        yield CODE, f"'{path.name}' holds no {known[1]} of a kind that is known", "take another file"


def _of_pickle(path: Path, pickled_bytes: float) -> Iterator[_Refusal]:
    if path.stat().st_size > pickled_bytes:
        yield (
            UNREADABLE,
            f"model file '{path.name}' is pickled, and pickled files may have {pickled_bytes / GIB:g} GiB here",
            "take the safetensors version, or set DAGFUSION_PICKLED_GIB",
        )
    elif strange := strange_names(path):
        yield (
            UNREADABLE,
            f"model file '{path.name}' is a pickle that holds more than weights, which could run code: {strange[0]}",
            "take the safetensors version; or convert the file where you trust it",
        )


def _of_denoiser(class_type: str, path: Path, shapes: Shapes) -> Iterator[_Refusal]:
    found = recognise(shapes)
    here = f"the families here are: {', '.join(family.title for family in families().values())}"
    if found is not None and found.family is None:
        yield CODE, f"'{path.name}' is of the family {found.title}, which cannot be loaded", here
    elif class_type in _CHECKPOINTS and prefix_of(shapes) != WHOLE:
        yield CODE, f"'{path.name}' is no checkpoint: it holds no tensors under '{WHOLE}'", ""
    elif found is None and class_type in (*_CHECKPOINTS, *_DENOISERS):
        yield CODE, f"'{path.name}' holds no denoiser of a family that is known", here


def _missing_parts(node: ResolvedNode, nodes: Mapping[str, ResolvedNode]) -> Iterator[Problem]:
    """Of a node that reads the text encoder or the VAE of a checkpoint that has none."""
    for name, link in node.links.items():
        spec, loader = node.spec.inputs.get(name), nodes.get(link.node_id)
        if loader is None or spec is None or loader.class_type not in _CHECKPOINTS or link.slot not in _PARTS:
            continue
        if not spec.required or spec.takes_absent or "ckpt_name" not in loader.files:
            continue
        path = loader.files["ckpt_name"]
        if _lacks(path, link.slot):
            message = f"checkpoint '{path.name}' holds no {_PARTS[link.slot]}"
            yield Problem(PART_MISSING, message, _REMEDIES[link.slot], node.id, node.class_type, name)


def _lacks(path: Path, slot: int) -> bool:
    try:
        stat = path.stat()
        return _lacks_part(path, slot, stat.st_size, stat.st_mtime_ns)
    except (ModelUnreadable, OSError):
        return False  # told at the loader


@lru_cache(maxsize=128)
def _lacks_part(path: Path, slot: int, _size_bytes: int, _changed: int) -> bool:
    shapes = shapes_of(path)
    found = recognise(shapes)
    if found is None or found.family is None:
        return False
    return not (_holds_text(shapes, found.family) if slot == 1 else _holds_vae(shapes, found.family))


def _holds_text(shapes: Shapes, family: Family) -> bool:
    return any(
        all(_under(shapes, texts.prefixes.get(kind, ("\0",))) for kind in texts.encoders) for texts in family.texts
    )


def _holds_vae(shapes: Shapes, family: Family) -> bool:
    return _is_vae(_under(shapes, family.vae))


def _under(shapes: Shapes, prefixes: tuple[str, ...]) -> Shapes:
    """The tensors whose names start with the first of ``prefixes`` that any name starts with, stripped of it."""
    for prefix in prefixes:
        own = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        if own:
            return own
    return {}


def _is_vae(shapes: Shapes) -> bool:
    return any(any_fits(kind.marks, shapes) for kind in vae_kinds().values())


def _holds_vae_somewhere(shapes: Shapes) -> bool:
    prefixes = tuple(dict.fromkeys(prefix for family in families().values() for prefix in family.vae))
    return _is_vae(_under(shapes, (*prefixes, "")))


def _is_control(shapes: Shapes) -> bool:
    fits = any(any_fits(kind.marks, shapes) for kind in control_kinds().values())
    return fits and "lora_controlnet" not in shapes


def _is_encoder(shapes: Shapes) -> bool:
    return any(any_fits(kind.marks, shapes) for kind in encoder_kinds().values())


def _convolutions(shapes: Shapes) -> int:
    return sum(len(shape) == 4 for shape in shapes.values())


_LEAST_CONVOLUTIONS = 2  # of every upscaler: into its features, and out of them
_UPSCALER = "one has weights of two convolutions at least"
_CHECKPOINTS = ("CheckpointLoaderSimple", "CheckpointLoader")
_DENOISERS = ("UNETLoader", "UnetLoaderGGUF", "UnetLoaderGGUFAdvanced")
_KINDS: Mapping[str, tuple[Callable[[Shapes], bool], str]] = {
    "VAELoader": (_holds_vae_somewhere, "VAE"),
    "ControlNetLoader": (_is_control, "ControlNet"),
    "DiffControlNetLoader": (_is_control, "ControlNet"),
    "CLIPLoader": (_is_encoder, "text encoder"),
    "DualCLIPLoader": (_is_encoder, "text encoder"),
    "TripleCLIPLoader": (_is_encoder, "text encoder"),
    "QuadrupleCLIPLoader": (_is_encoder, "text encoder"),
    "CLIPLoaderGGUF": (_is_encoder, "text encoder"),
    "DualCLIPLoaderGGUF": (_is_encoder, "text encoder"),
    "TripleCLIPLoaderGGUF": (_is_encoder, "text encoder"),
}
