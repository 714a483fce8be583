"""Puts a LoRA file onto a model and its text encoders, as patches. What does not fit is left out and reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import torch

from engine.counted import counted
from engine.fingerprint import file_fingerprint
from engine.model_store import ModelStore
from nodes.diffusion.lora.layers import Layer, LowRank, Replacement
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.reading import LayerName, Read, read_layers
from nodes.diffusion.lora.rows import PlacedRows, combined
from nodes.diffusion.lora.targets import (
    find_text_module,
    model_targets,
    text_prefixes,
    text_targets,
)
from nodes.diffusion.name_map import Span, Spans
from nodes.diffusion.weights import WeightFile
from nodes.families.lora_names import OF_TEXT, few
from nodes.families.marks import Shapes
from nodes.values import Clip, Model

Note = Callable[[str], None]
"""Is told what of a file was left out, a sentence a call."""


def apply_lora(
    models: ModelStore,
    model: Model,
    clip: Clip | None,
    file: Path,
    *,
    strength_model: float,
    strength_clip: float,
    note: Note,
) -> tuple[Model, Clip | None]:
    """``model`` and ``clip`` with the LoRA put on; strengths may be negative, 0 leaves that part as it is.

    What does not fit is left out, and ``note`` told of it: modules of a part that is not here, parameters of another
    shape, kinds that are not known. Raises ``ModelUnreadable`` where the file is damaged or of another format.
    """
    fit = _Fit(read_layers(WeightFile(file).view("")), file, models)
    model = fit.onto_model(model, strength_model)
    if clip is not None:
        clip = fit.onto_clip(clip, strength_clip)
    fit.tell(note, without_text=clip is None)
    return model, clip


@dataclass(slots=True)
class _Fit:
    """One file on the networks that it is put on. ``applied``, ``misshapen``: layers that found their parameter."""

    read: Read
    file: Path
    models: ModelStore
    applied: set[LayerName] = field(default_factory=set)
    misshapen: set[LayerName] = field(default_factory=set)

    def onto_model(self, model: Model, strength: float) -> Model:
        shapes = self.models.shapes(model.weights)
        names = model.family.names.name_map(shapes)
        find = model_targets(names).find
        wider = self._wider(find, shapes, names.widening)
        found = self._assign(find, {**shapes, **wider})
        return model.with_weight_patch(self._patch(found, strength, wider)) if strength != 0 and found else model

    def onto_clip(self, clip: Clip, strength: float) -> Clip:
        for index, weights in enumerate(clip.weights):
            shapes = self.models.shapes(weights)
            found = self._assign(_text_finder(shapes, clip.kinds[index], clip.kinds), shapes)
            if strength != 0 and found:
                clip = clip.with_weight_patch(index, self._patch(found, strength, {}))
        return clip

    def tell(self, note: Note, *, without_text: bool) -> None:
        """Say what was left out; modules of text encoders are not missed where none are given."""
        lora = f"LoRA '{self.file.name}'"
        if not self.read.layers:
            note(f"'{self.file.name}' holds no LoRA of a kind that is known, and changes nothing")
        elif not self.applied:
            note(f"{lora} changes nothing: no module of it fits this model; was it made for another family?")
        for sentence in self.read.left_out:
            note(f"{lora}: {sentence}")
        if misshapen := sorted({name for name, _ in self.misshapen - self.applied}):
            note(f"{lora}: {counted(len(misshapen), 'module')} of another shape here, left out: {few(misshapen)}")
        unknown = self.read.layers.keys() - self.applied - self.misshapen
        missing = sorted({name for name, _ in unknown if not (without_text and name.startswith(OF_TEXT))})
        if missing:
            note(f"{lora}: {counted(len(missing), 'module')} that this model lacks, left out: {few(missing)}")

    def _assign(self, find: Callable[[str, str], Spans], shapes: Shapes) -> Mapping[str, Layer | Replacement]:
        """The layers that fit a parameter of this network, by its name."""
        placed: dict[str, list[PlacedRows]] = defaultdict(list)
        for (name, kind), layer in self.read.layers.items():
            spans = [span for span in find(name, kind) if span.parameter in shapes]
            rows = max((span.of_file[1] for span in spans if span.of_file is not None), default=0)
            parts = [PlacedRows(layer, span, rows) for span in spans]
            if all(_fits(part, shapes[part.span.parameter]) for part in parts):
                self.applied |= {(name, kind)} if parts else set()
                for part in parts:
                    placed[part.span.parameter].append(part)
            else:
                self.misshapen.add((name, kind))
        return {parameter: combined(parts) for parameter, parts in placed.items()}

    def _wider(self, find: Callable[[str, str], Spans], shapes: Shapes, widening: Set[str]) -> Shapes:
        """The shapes that the file gives parameters of ``widening``, where they have more columns than now."""
        found = {}
        for (name, kind), layer in self.read.layers.items():
            for parameter in widening & {span.parameter for span in find(name, kind)}:
                rows, columns = shapes[parameter]
                if isinstance(layer, LowRank) and layer.down.dim() == 2 and layer.down.shape[1] > columns:
                    found[parameter] = (rows, layer.down.shape[1])
        return found

    def _patch(self, found: Mapping[str, Layer | Replacement], strength: float, wider: Shapes) -> LoraPatch:
        return LoraPatch(found, strength, file_fingerprint(self.file), wider)


def _text_finder(shapes: Shapes, kind: str, kinds: Sequence[str]) -> Callable[[str, str], Spans]:
    targets = text_targets(shapes)
    prefixes = text_prefixes(kind, kinds)

    def find(name: str, leaf: str) -> Spans:
        module = find_text_module(name, prefixes, targets)
        return () if module is None else (Span(f"{module}.{leaf}"),)

    return find


def _fits(part: PlacedRows, shape: tuple[int, ...]) -> bool:
    name = part.span.parameter
    try:
        # On the meta device the product is only a shape: a LoRA for another family is found without computing it.
        with torch.device("meta"):
            LoraPatch({name: combined([part])}, 1.0, "").apply(name, torch.empty(shape, device="meta"))
    except (RuntimeError, IndexError, ZeroDivisionError):
        return False
    return True
