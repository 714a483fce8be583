"""Positions of a prompt's reference pictures on a transformer's axes, relative to the picture that is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from torch import Tensor

from nodes.diffusion.inputs import Input, Scene
from nodes.values import Cond

# ``index``: each on a layer of its own; ``index_timestep_zero``: so too, and told to be free of noise;
# ``negative_index``: on layers below; ``offset``: on one layer, side by side; ``uxo``: behind the picture's corner.
ReferenceMethod = Literal["index", "index_timestep_zero", "negative_index", "offset", "uxo"]


class ReferencePosition(NamedTuple):
    """``layer``: on the first axis; ``row``, ``column``: where the reference's upper left corner is, in patches."""

    layer: int
    row: int
    column: int


def places(
    sizes: Iterable[tuple[int, int]],
    method: ReferenceMethod,
    patch: int,
    layer_step: int = 1,
    corner: ReferencePosition | None = None,
) -> list[ReferencePosition]:
    """A place for each reference of ``sizes`` (height, width in latent pixels), in order.

    ``layer_step``: how far layers lie apart. ``corner``: where the picture itself ends, which ``uxo`` starts from.
    """
    found: list[ReferencePosition] = []
    height = width = 0
    for number, (tall, wide) in enumerate(sizes, start=1):
        if method in ("index", "index_timestep_zero"):
            found.append(ReferencePosition(number * layer_step, 0, 0))
        elif method == "negative_index":
            found.append(ReferencePosition(-number * layer_step, 0, 0))
        elif method == "uxo" and corner is not None:
            found.append(
                ReferencePosition(0, corner.row + _patches(height, patch), corner.column + _patches(width, patch))
            )
            height, width = height + tall, width + wide
        else:
            # Below what stands there or to the right of it, whichever keeps the whole nearer to a square.
            beside = tall + height > wide + width
            top, left = (0, width) if beside else (height, 0)
            found.append(ReferencePosition(1, _patches(top, patch), _patches(left, patch)))
            height, width = max(height, tall + top), max(width, wide + left)
    return found


def size_of(reference: Tensor) -> tuple[int, int]:
    """Height and width of a latent, [..., height, width]."""
    return reference.shape[-2], reference.shape[-1]


def _patches(latent_px: int, patch: int) -> int:
    return (latent_px + patch // 2) // patch


def reference_inputs(entry: Cond, scene: Scene, method: ReferenceMethod) -> dict[str, Input]:
    """A prompt's references for the network's step, which :func:`references_in` finds there; none are nothing.

    Latents come in the denoiser's scale. ``method``: the model's own, where no node chose another one.
    """
    latents = entry.extra.get("reference_latents") or ()
    scaled = [scene.model.space.to_model(latent.to(scene.latent.device)) for latent in latents]
    if not scaled:
        return {}
    found = {f"reference_{number}": Input(latent) for number, latent in enumerate(scaled)}
    chosen = entry.extra.get("reference_latents_method") or method
    return {**found, "references": Input(len(scaled), "same"), "reference_method": Input(chosen, "same")}


def references_in(inputs: Mapping[str, Any]) -> tuple[list[Tensor], ReferenceMethod]:
    """The references among a step's inputs, [rows, channels, *grid] each, and where they stand."""
    count = inputs.get("references", 0)
    return [inputs[f"reference_{number}"] for number in range(count)], inputs.get("reference_method", "index")
