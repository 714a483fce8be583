"""What loading a denoising transformer takes, whichever family it is of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from engine.errors import InputInvalid
from engine.weights import Weights
from nodes.diffusion.assembly import as_named, assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.inputs import Input, Scene
from nodes.diffusion.name_map import NameMap
from nodes.diffusion.weights import WeightView
from nodes.families.marks import Shapes
from nodes.values import Cond


def weights_of(
    kind: str, view: WeightView, make: Callable[[], torch.nn.Module], names: Callable[[Shapes], NameMap]
) -> Weights:
    """A handle to the transformer that ``make`` makes, with the tensors of ``view`` under any of its layouts' names.

    ``names``: of the family. Raises ``ModelUnreadable`` naming what the file lacks.
    """
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}
    known = names(shapes)
    # The layout of which more is there: its authors' names, or those of the module itself.
    layout = max((known.native, known.others), key=lambda layout: sum(name in view for name in layout))
    network = as_named(view, layout)
    return Weights(
        f"{kind}:{content_key(network)}",
        lambda: assemble(make, network),
        f"{view.file.path.name} transformer",
        heavy=network.heavy,
        release=view.file.release,
    )


def quietly(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """What ``make`` makes. diffusers 0.42 has classes with a part that it has moved itself, and warns of these."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return make()


def context_of(entry: Cond, scene: Scene, width: int) -> Input:
    """A prompt's tokens for joint attention, where only prompts of equal length share a pass.

    Raises ``InputInvalid`` for a prompt that was not encoded ``width`` wide.
    """
    found = entry.context.shape[-1]
    if found != width:
        raise InputInvalid(
            f"this prompt was encoded {found} wide, but {scene.model.family.title} reads prompts {width} wide",
            input=scene.role,
            remedy="encode it with the text encoder of this model's family",
        )
    return Input(entry.context.to(scene.latent.device))


def beside(weight: Tensor, given: Any) -> Any:
    """``given`` on the device and in the number format of ``weight``, where it is a tensor of numbers."""
    return given.to(weight.device, weight.dtype) if isinstance(given, Tensor) and given.is_floating_point() else given
