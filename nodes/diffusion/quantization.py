"""Weights stored in 8 bits with a scale: how each layout in use marks them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from engine.errors import ModelUnreadable
from nodes.diffusion.quantized.codings import ScaledCoding
from nodes.diffusion.weight_header import TensorFact

# ``LAYER.weight_scale`` beside ``LAYER.weight`` today, ``LAYER.scale_weight`` in files of 2025 and before.
_SCALES = (".weight_scale", ".scale_weight")
# What says of a layer, in JSON, how it was made: a byte tensor beside it, or one text for all in the header.
_MARK = ".comfy_quant"
_HEADER = "_quantization_metadata"
_KNOWN = frozenset({"float8_e4m3fn", "float8_e5m2"})


def with_scales(file: str, facts: Mapping[str, TensorFact]) -> dict[str, TensorFact]:
    """``facts`` of the file ``file`` with its scale in each 8-bit weight that has one.

    Raises ``ModelUnreadable`` where a scale is neither one number nor one for each row.
    """
    found = dict(facts)
    for name in facts:
        ending = next((ending for ending in _SCALES if name.endswith(ending)), None)
        weight = name.removesuffix(ending) + ".weight" if ending else ""
        if weight in facts and facts[weight].dtype.itemsize == 1:
            if math.prod(facts[name].shape) not in (1, *facts[weight].shape[:1]):
                raise ModelUnreadable(
                    f"model file '{file}': scale '{name}' is of shape {list(facts[name].shape)}, and "
                    f"'{weight}' of {list(facts[weight].shape)}: it has to be one number, or one for each row",
                    remedy="fetch the file again, or take the model in another format",
                )
            found[weight] = replace(facts[weight], coding=ScaledCoding(facts[name]))
    return found


def check_formats(
    file: str, metadata: Mapping[str, str], facts: Mapping[str, TensorFact], read: Callable[[TensorFact], Tensor]
) -> None:
    """Raise ``ModelUnreadable`` where layers of the file ``file`` are quantized in a way that is not known here."""
    for layer, layout in _formats(metadata, facts, read):
        if layout not in _KNOWN:
            raise ModelUnreadable(
                f"model file '{file}': '{layer}' is quantized as '{layout}', which cannot be read here",
                remedy=f"take this model in bfloat16, float16 or {' or '.join(sorted(_KNOWN))}",
            )


def _formats(
    metadata: Mapping[str, str], facts: Mapping[str, TensorFact], read: Callable[[TensorFact], Tensor]
) -> Iterator[tuple[str, Any]]:
    layers = _json(metadata.get(_HEADER, "{}")).get("layers")
    if isinstance(layers, dict):
        yield from ((layer, said.get("format")) for layer, said in layers.items() if isinstance(said, dict))
    for name, fact in facts.items():
        if name.endswith(_MARK):
            yield name.removesuffix(_MARK), _json(bytes(read(fact).numpy())).get("format")


def _json(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
