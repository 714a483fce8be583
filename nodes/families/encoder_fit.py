"""Whether a workflow's text encoders are those that its denoiser reads, from the headers of both files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from engine.errors import ModelUnreadable, Problem
from engine.inputs import FileChoice
from engine.resolved import ResolvedNode
from nodes.families.family import EncoderKind, Family
from nodes.families.found import encoder_kinds
from nodes.families.headers import shapes_of
from nodes.families.marks import any_fits
from nodes.families.recognition import recognise

CODE = "wrong_text_encoder"
_ENCODED = frozenset({"CONDITIONING", "CLIP"})
_DENOISERS = ("unet_name", "ckpt_name")

Nodes = Mapping[str, ResolvedNode]


def encoder_problems(nodes: Nodes) -> Iterator[Problem]:
    """A problem for each prompt that a node gives to a model whose family reads other encoders' prompts."""
    for node in nodes.values():
        denoiser = _denoiser(node, nodes)
        family = None if denoiser is None else _family(denoiser)
        if denoiser is None or family is None:
            continue
        for name in (name for name, spec in node.spec.inputs.items() if spec.wire == "CONDITIONING"):
            if (wrong := _wrong(node, name, nodes, family)) is not None:
                path, kind = wrong
                message = (
                    f"'{path.name}' is a text encoder of the kind {kind.title}, but '{denoiser.name}' is of the family "
                    f"{family.title}, which reads prompts of {_titles(family)}"
                )
                yield Problem(CODE, message, "load one of that kind", node.id, node.class_type, name)


def _wrong(node: ResolvedNode, name: str, nodes: Nodes, family: Family) -> tuple[Path, EncoderKind] | None:
    wanted = {kind for texts in family.texts for kind in texts.encoders}
    for path in _encoders(node, name, nodes):
        kind = _kind(path)
        if kind is not None and wanted and kind.name not in wanted:
            return path, kind
    return None


def _denoiser(node: ResolvedNode, nodes: Nodes) -> Path | None:
    """The file that the node's model comes from."""
    seen: set[str] = set()
    link = node.links.get("model")
    while link is not None and link.node_id in nodes and link.node_id not in seen:
        seen.add(link.node_id)
        at = nodes[link.node_id]
        path = next((at.files[name] for name in _DENOISERS if name in at.files), None)
        if path is not None:
            return path
        link = at.links.get("model")
    return None


def _encoders(node: ResolvedNode, name: str, nodes: Nodes) -> Iterator[Path]:
    """The files of text encoders that an input's prompts come from."""
    stack, seen = [node.links[name].node_id] if name in node.links else [], set[str]()
    while stack:
        at = nodes.get(stack.pop())
        if at is None or at.id in seen:
            continue
        seen.add(at.id)
        yield from (path for own, path in at.files.items() if _is_encoder(at, own))
        stack += [link.node_id for own, link in at.links.items() if at.spec.inputs[own].wire in _ENCODED]


def _is_encoder(node: ResolvedNode, name: str) -> bool:
    marker = node.spec.inputs[name].marker
    return isinstance(marker, FileChoice) and marker.kind in ("text_encoders", "clip")


def _family(path: Path) -> Family | None:
    return _read(path)[0]


def _kind(path: Path) -> EncoderKind | None:
    return _read(path)[1]


def _read(path: Path) -> tuple[Family | None, EncoderKind | None]:
    try:
        stat = path.stat()
        return _family_and_kind(path, stat.st_size, stat.st_mtime_ns)
    except (ModelUnreadable, OSError):
        return None, None  # told at the loader


@lru_cache(maxsize=128)
def _family_and_kind(path: Path, _size_bytes: int, _changed: int) -> tuple[Family | None, EncoderKind | None]:
    shapes = shapes_of(path)
    found = recognise(shapes)
    kind = next((kind for kind in encoder_kinds().values() if any_fits(kind.marks, shapes)), None)
    return None if found is None else found.family, kind


def _titles(family: Family) -> str:
    kinds = dict.fromkeys(kind for texts in family.texts for kind in texts.encoders)
    return ", ".join(encoder_kinds()[kind].title for kind in kinds)
