"""Networks that run beside a model's and add to what its blocks make, from pictures: "model patches" in files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine.context import Context
from engine.errors import ModelUnreadable
from nodes.diffusion import vae
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.latents import resize
from nodes.diffusion.weights import WeightFile
from nodes.families.found import patch_kinds
from nodes.families.marks import any_fits
from nodes.values import Latent, Model, ModelPatch, Vae


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """What is sampled: its size, and how pictures, float32[batch, height, width, 3] in 0..1, become latents like it."""

    width_px: int
    height_px: int
    encode: Callable[[Tensor], Tensor]

    def resized(self, picture: Tensor) -> Tensor:
        """``picture`` at the size of what is sampled, cut to its aspect ratio."""
        return resize(picture.movedim(-1, 1), self.width_px, self.height_px, "area", crop=True).movedim(1, -1)


def load_model_patch(path: Path) -> ModelPatch:
    """The network in the file. Raises ``ModelUnreadable`` where it is of a kind that cannot be used."""
    file = WeightFile(path)
    shapes = file.shapes
    kind = next((kind for kind in patch_kinds().values() if any_fits(kind.marks, shapes)), None)
    if kind is None:
        known = ", ".join(kind.title for kind in patch_kinds().values())
        raise ModelUnreadable(
            f"'{path.name}' is no model patch of a kind that is known{what_it_is(file)}",
            input="name",
            remedy=f"the kinds here are: {known}",
        )
    return kind.part.load(file.view(""), kind.name)


def with_companions(ctx: Context, model: Model, latent: Latent, leases: ExitStack) -> Model:
    """``model`` under the hooks of its companions, whose networks are held until ``leases`` ends."""
    height, width = model.space.size_px(latent.samples)
    patched = model
    for companion in model.companions:
        module = leases.enter_context(ctx.models.lease(companion.patch.weights))

        def encode(picture: Tensor, of: Vae = companion.vae) -> Tensor:
            return model.space.to_model(vae.encode(ctx, of, picture))

        patches = companion.patch.kind.part.patches(companion, module, Canvas(width, height, encode))
        patched = patched.with_patches(patches)
    return patched
