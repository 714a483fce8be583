"""How files name a network's parameters: one map for loading, LoRAs, merges and ControlNets, fused weights included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from nodes.diffusion.weight_header import Rows
from nodes.diffusion.weights import Place

Range = tuple[int, int]
"""Rows of a weight, its first dimension: from, and up to but not including."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a tensor in a file that are rows of a network's parameter; None is all of them.

    A file's ``attn.qkv.weight`` has three spans where the network keeps ``to_q``, ``to_k`` and ``to_v`` apart; a LoRA's
    ``to_q`` has one with rows of the parameter where the network keeps them fused.
    """

    parameter: str
    of_file: Range | None = None
    of_parameter: Range | None = None


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class NameMap:
    """The names that files have for a network's parameters.

    ``native``: by the published file's name without its prefix; every parameter is in it, and merges choose by these
    names. ``others``: by the names of further layouts (diffusers', a trainer's), which LoRAs use. Names end in
    ``.weight`` or ``.bias``, or are those of parameters that stand alone. ``prefixes``: what LoRA files put before a
    module's name beyond the usual ``lora_unet_``, ``diffusion_model.`` and the like, to which ``transformer.`` belongs
    for ``others``. ``widening``: parameters that a LoRA may give more columns, for pictures beside the noisy latent.
    """

    native: Mapping[str, Spans]
    others: Mapping[str, Spans] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    widening: frozenset[str] = frozenset()

    def native_names(self) -> dict[str, str]:
        """The (first) native name of each parameter."""
        found: dict[str, str] = {}
        for name, spans in self.native.items():
            for span in spans:
                found.setdefault(span.parameter, name)
        return found


def whole(names: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, Spans]:
    """Spans for tensors that are one parameter each: file name -> parameter."""
    return {name: (Span(parameter),) for name, parameter in dict(names).items()}


def fused(name: str, parts: Iterable[tuple[str, int]]) -> dict[str, Spans]:
    """Spans of a file's tensor ``name`` that stacks ``parts``: each parameter with how many rows it has, in order."""
    spans, start = [], 0
    for parameter, rows in parts:
        spans.append(Span(parameter, of_file=(start, start + rows)))
        start += rows
    return {name: tuple(spans)}


def swapped_halves(file: str, module: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Spans]:
    """Spans for weight and bias of a module whose two halves are in the other order in the file."""
    found: dict[str, Spans] = {}
    for leaf in ("weight", "bias"):
        parameter = f"{module}.{leaf}"
        if parameter in shapes:
            half = shapes[parameter][0] // 2
            first, second = (0, half), (half, 2 * half)
            found[f"{file}.{leaf}"] = (Span(parameter, first, second), Span(parameter, second, first))
    return found


Table = Mapping[str, tuple[str, ...]]
"""A network's modules by the file's name for them, in order where the file stacks several. ``{}`` stands for a block's
number. A name of a parameter rather than a module (one that does not end in weight or bias in the file) counts too."""


def by_table(table: Table, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Spans]:
    """Spans for the weights and biases of all modules of ``table`` that are among the parameters ``shapes``."""
    found: dict[str, Spans] = {}
    for file, modules in table.items():
        for number in count() if "{}" in file else (0,):
            named = _named(file.format(number), [module.format(number) for module in modules], shapes)
            if not named:
                break
            found |= named
    return found


def _named(file: str, modules: Iterable[str], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Spans]:
    found: dict[str, Spans] = {}
    for leaf in ("", ".weight", ".bias"):
        parameters = [module + leaf for module in modules]
        if not all(parameter in shapes for parameter in parameters):
            continue
        if len(parameters) == 1:
            found[file + leaf] = (Span(parameters[0]),)
        else:
            found |= fused(file + leaf, ((parameter, shapes[parameter][0]) for parameter in parameters))
    return found


def sources(native: Mapping[str, Spans]) -> dict[str, Place]:
    """By parameter, where it is taken from: what :meth:`nodes.diffusion.weights.WeightView.renamed` wants."""
    pieces: dict[str, list[tuple[int, str | Rows]]] = {}
    for name, spans in native.items():
        for span in spans:
            first = 0 if span.of_parameter is None else span.of_parameter[0]
            pieces.setdefault(span.parameter, []).append(
                (first, name if span.of_file is None else Rows(name, *span.of_file))
            )
    return {
        parameter: tuple(place for _, place in sorted(found, key=lambda piece: piece[0]))
        for parameter, found in pieces.items()
    }
