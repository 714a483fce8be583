"""Which attentions of a UNet an IP-Adapter reaches, and how strongly each of them by the kind of weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.errors import InputInvalid
from nodes.hooks import Stage

# How many transformers the networks have that there are adapters for: Stable Diffusion 1, and XL with its deeper ones.
SHALLOW, DEEP = 16, 11


@dataclass(frozen=True, slots=True)
class Reached:
    """An attention: where it is (see :class:`nodes.hooks.HookSite`), the ``place`` of its transformer among the
    network's, in the order in which they run, and the ``number`` by which files name its keys and values.
    """

    stage: Stage
    block: int
    depth: int | None
    place: int
    number: int


# Blocks with transformers, and how many layers each has; None: one, whatever the hook says of its depth.
_BLOCKS: Mapping[int, list[tuple[Stage, int, int | None, int]]] = {
    SHALLOW: [
        *(("input", block, None, place) for place, block in enumerate((1, 2, 4, 5, 7, 8))),
        *(("output", block, None, block + 4) for block in range(3, 12)),
        ("middle", 0, None, 6),
    ],
    DEEP: [
        *(("input", block, 2 if block < 6 else 10, place) for place, block in enumerate((4, 5, 7, 8))),
        *(("output", block, 10 if block < 3 else 2, block + 5) for block in range(6)),
        ("middle", 0, 10, 4),
    ],
}
DEEP_CONTEXT_WIDTH = 2048


def kind_of(context_width: int) -> int:
    """Of networks whose prompts have tokens of that width."""
    return DEEP if context_width == DEEP_CONTEXT_WIDTH else SHALLOW


def reached(kind: int) -> list[Reached]:
    """Those of a network with ``kind`` transformers, in the order of the files' numbers: 1, 3, 5 and so on."""
    found: list[Reached] = []
    for stage, block, layers, place in _BLOCKS[kind]:
        for depth in (None,) if layers is None else range(layers):
            found.append(Reached(stage, block, depth, place, 2 * len(found) + 1))
    return found


_STYLE_SHALLOW = (0, 1, 2, 3, *range(9, 16))
_ALL_BUT_COMPOSITION_DEEP = (0, 1, 2, *range(4, 11))
# By the kind of weight, the factor of each transformer that is reached at all.
_CHOSEN: Mapping[str, Mapping[int, Mapping[int, float]]] = {
    "style transfer": {DEEP: {6: 1.0}, SHALLOW: dict.fromkeys(_STYLE_SHALLOW, 1.0)},
    "composition": {DEEP: {3: 1.0}, SHALLOW: {4: 0.25, 5: 1.0}},
    "strong style transfer": {
        DEEP: dict.fromkeys(_ALL_BUT_COMPOSITION_DEEP, 1.0),
        SHALLOW: dict.fromkeys((0, 1, 2, 3, *range(6, 16)), 1.0),
    },
    "style and composition": {
        DEEP: {3: 1.0, 6: 1.0},
        SHALLOW: {**dict.fromkeys(_STYLE_SHALLOW, 1.0), 4: 0.25, 5: 1.0},
    },
    "style transfer precise": {
        DEEP: {3: 1.0, 6: 1.0},
        SHALLOW: {**dict.fromkeys(_STYLE_SHALLOW, 1.0), 4: 0.25, 5: 1.0},
    },
    "composition precise": {
        DEEP: {**dict.fromkeys(_ALL_BUT_COMPOSITION_DEEP, 0.1), 3: 1.0, 6: 1.0},
        SHALLOW: {**dict.fromkeys(_STYLE_SHALLOW, 1.0), 4: 0.25, 5: 1.0, 6: 0.1, 7: 0.1, 8: 0.1},
    },
}
_LEAST = 0.05  # of what eases in or out
_WEAK = 0.2


def _eased(share: Callable[[float, int], float]) -> Callable[[Reached, int], float]:
    return lambda layer, count: _LEAST + (1 - _LEAST) * share(layer.place, count)


def _weak(*stages: str) -> Callable[[Reached, int], float]:
    return lambda layer, _: _WEAK if layer.stage in stages else 1.0


# By the kind of weight, the factor of each transformer of ``count``.
_GRADUAL: Mapping[str, Callable[[Reached, int], float]] = {
    "linear": lambda _, __: 1.0,
    "ease in": _eased(lambda place, count: 1 - place / count),
    "ease out": _eased(lambda place, count: place / count),
    "ease in-out": _eased(lambda place, count: 1 - abs(place - count / 2) / (count / 2)),
    "reverse in-out": _eased(lambda place, count: abs(place - count / 2) / (count / 2)),
    "weak input": _weak("input"),
    "weak output": _weak("output"),
    "weak middle": _weak("middle"),
    "strong middle": _weak("input", "output"),
}
WEIGHT_TYPES = (*_GRADUAL, *_CHOSEN)


def factor(weight_type: str, kind: int, layer: Reached) -> float:
    """How strongly that kind of weight reaches the layer; 0 where not at all. Raises ``InputInvalid`` if unknown."""
    if weight_type in _CHOSEN:
        return _CHOSEN[weight_type][kind].get(layer.place, 0.0)
    if weight_type not in _GRADUAL:
        raise InputInvalid(f"there is no weight type '{weight_type}'", input="weight_type")
    return _GRADUAL[weight_type](layer, kind)


def is_turned(weight_type: str, kind: int, layer: Reached) -> bool:
    """Whether the layer is kept away from the picture: it goes to the negative prompt, and nothing to the positive."""
    composes = layer.place in ((3,) if kind == DEEP else (4, 5))
    if weight_type == "style transfer precise":
        return composes
    return weight_type == "composition precise" and not composes
