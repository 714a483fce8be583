"""Puts a module together around a file's own tensors, without copying them, and names what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from engine.errors import ModelUnreadable
from nodes.diffusion.name_map import Spans, sources
from nodes.diffusion.weights import WeightView

Module = TypeVar("Module", bound=torch.nn.Module)
_WHOLE = "take a complete file of this kind of model, or fetch this one again"


def assemble(make: Callable[[], Module], view: WeightView) -> Module:
    """The module that ``make`` makes, with the tensors of ``view`` (which has the module's names) for parameters.

    ``make`` runs on the meta device, so no memory is taken. Convolution kernels of one cell are taken for linear
    layers, as older files have them, and vectors for what has them along its second side. Tensors that the module does
    not know are left in the file. Raises ``ModelUnreadable`` naming tensors that are missing or misshapen.
    """
    with torch.device("meta"):
        module = make()
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = sorted(wanted.keys() - view.keys())
    if missing:
        raise ModelUnreadable(f"model file '{view.file.path.name}' lacks {_listed(missing)}", remedy=_WHOLE)
    misshapen = sorted(name for name, shape in wanted.items() if not _fits(view.shape(name), shape))
    if misshapen:
        raise ModelUnreadable(
            f"model file '{view.file.path.name}' has an unexpected shape of {_listed(misshapen)}", remedy=_WHOLE
        )
    module.load_state_dict({name: view[name].view(shape) for name, shape in wanted.items()}, assign=True)
    return module.requires_grad_(False).eval()


def as_named(view: WeightView, names: Mapping[str, Spans]) -> WeightView:
    """``view``'s tensors under the names of a network's parameters; ``names``: where each of them is in the file.

    Raises ``ModelUnreadable`` naming what the file lacks.
    """
    missing = sorted(names.keys() - view.keys())
    if missing:
        raise ModelUnreadable(f"model file '{view.file.path.name}' lacks {_listed(missing)}", remedy=_WHOLE)
    return view.renamed(sources(names))


def _fits(stored: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    if wanted in (stored, (1, *stored, 1)):
        return True
    return len(wanted) == 2 and stored in ((*wanted, 1, 1), (*wanted, 1, 1, 1))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"tensor {shown}" if len(names) == 1 else f"{len(names)} tensors: {shown}{' ...' if len(names) > 3 else ''}"
