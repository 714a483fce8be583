"""Puts a LoRA file onto a model and its text encoders, as patches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

import torch

from engine.errors import ModelUnreadable
from engine.fingerprint import file_fingerprint
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.lora.layers import Layer, Replacement
from nodes.diffusion.lora.patch import LoraPatch
from nodes.diffusion.lora.reading import Layers, read_layers
from nodes.diffusion.lora.targets import (
    find_text_module,
    find_unet_module,
    text_prefixes,
    text_targets,
    unet_targets,
)
from nodes.diffusion.weights import WeightFile
from nodes.values import Clip, Model

log = logging.getLogger(__name__)


def apply_lora(
    models: ModelStore, model: Model, clip: Clip, file: Path, strength_model: float, strength_clip: float
) -> tuple[Model, Clip]:
    """``model`` and ``clip`` with the LoRA put on; strengths may be negative, 0 leaves that part as it is.

    Raises ``ModelUnreadable`` where the file is no LoRA, or is for another family: no module of it is found in the
    networks, or a weight has another shape. Modules of a part that is not here are passed over with a warning.
    """
    layers = read_layers(WeightFile(file).view(""), file.name)
    changed_model, of_model = _on_model(models, model, layers, file, strength_model)
    changed_clip, of_clip = _on_clip(models, clip, layers, file, strength_clip)
    _report_unknown(layers, of_model | of_clip, file, model)
    return changed_model, changed_clip


def apply_lora_to_model(models: ModelStore, model: Model, file: Path, strength: float) -> Model:
    """``model`` alone with the LoRA put on; see :func:`apply_lora`."""
    layers = read_layers(WeightFile(file).view(""), file.name)
    changed, known = _on_model(models, model, layers, file, strength)
    _report_unknown(layers, known, file, model)
    return changed


def _on_model(
    models: ModelStore, model: Model, layers: Layers, file: Path, strength: float
) -> tuple[Model, Set[tuple[str, str]]]:
    targets = unet_targets(models.shapes(model.weights))
    found = _assign(layers, lambda name: find_unet_module(name, targets), models, model.weights, file)
    if strength == 0 or not found:
        return model, found.keys()
    return model.with_weight_patch(_patch(found, strength, file)), found.keys()


def _on_clip(
    models: ModelStore, clip: Clip, layers: Layers, file: Path, strength: float
) -> tuple[Clip, Set[tuple[str, str]]]:
    known: set[tuple[str, str]] = set()
    for index, weights in enumerate(clip.weights):
        find = _text_finder(models, weights, clip.kinds[index], clip.kinds)
        found = _assign(layers, find, models, weights, file)
        known |= found.keys()
        if strength != 0 and found:
            clip = clip.with_weight_patch(index, _patch(found, strength, file))
    return clip, known


Assigned = Mapping[tuple[str, str], tuple[str, Layer | Replacement]]


def _assign(
    layers: Layers, find: Callable[[str], str | None], models: ModelStore, weights: Weights, file: Path
) -> Assigned:
    shapes = models.shapes(weights)
    found: dict[tuple[str, str], tuple[str, Layer | Replacement]] = {}
    for (name, kind), layer in layers.items():
        module = find(name)
        parameter = f"{module}.{kind}"
        if module is None or parameter not in shapes:
            continue
        _check_shape(layer, parameter, shapes[parameter], file)
        found[name, kind] = (parameter, layer)
    return found


def _text_finder(models: ModelStore, weights: Weights, kind: str, kinds: Sequence[str]) -> Callable[[str], str | None]:
    targets = text_targets(models.shapes(weights))
    prefixes = text_prefixes(kind, kinds)
    return lambda name: find_text_module(name, prefixes, targets)


def _patch(found: Assigned, strength: float, file: Path) -> LoraPatch:
    return LoraPatch(dict(found.values()), strength, file_fingerprint(file))


def _check_shape(layer: Layer | Replacement, parameter: str, shape: tuple[int, ...], file: Path) -> None:
    try:
        # On the meta device the product is only a shape: a LoRA for another family is found without computing it.
        with torch.device("meta"):
            LoraPatch({parameter: layer}, 1.0, "").apply(parameter, torch.empty(shape, device="meta"))
    except (RuntimeError, IndexError, ZeroDivisionError) as error:
        raise ModelUnreadable(
            f"LoRA '{file.name}' does not fit this model: its change of '{parameter}' has another shape than {shape}",
            input="lora_name",
            remedy="use a LoRA made for this model's family",
        ) from error


def _report_unknown(layers: Layers, known: Set[tuple[str, str]], file: Path, model: Model) -> None:
    if not known:
        raise ModelUnreadable(
            f"LoRA '{file.name}' fits no part of this model, which is of the family {model.family.title}",
            input="lora_name",
            remedy="use a LoRA made for this model's family",
        )
    unknown = sorted({name for name, _ in layers.keys() - known})
    if unknown:
        log.warning("LoRA %s: %d of its modules are not in this model: %s", file.name, len(unknown), unknown[:5])
