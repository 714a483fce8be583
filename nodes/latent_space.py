"""Latent spaces: what a latent stands for in pixels and frames, how denoisers scale it, how it looks in a rough way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Rgb = tuple[float, float, float]

PIXELS_PER_LATENT = 8
"""Pixels along a side of a cell in nodes that ask for pixels and know no model, as ComfyUI counts them there."""


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """The space of a family's latents: float[batch, channels, *grid], where grid is (length), (h, w) or (frames, h, w).

    ``dims``: how many sides the grid has. ``factors``: for how many frames, rows and columns of the picture one cell
    stands. The first frame has a cell of its own where cells stand for several frames (as causal video VAEs have it).
    The denoiser works on ``(latent - shift) * scale``, or on ``(latent - means) / deviations * scale`` where channels
    have statistics of their own; a LATENT that travels along an edge is always without that scale.
    ``rgb_factors``: a least-squares linear map from one cell to red, green and blue in -1..1, for previews.
    ``approx_decoder``: the file stem of the tiny decoder that people keep in ``vae_approx``. ``others``: of further
    parts that are denoised together with this one.
    """

    channels: int
    dims: Literal[1, 2, 3] = 2
    factors: tuple[int, int, int] = (1, 8, 8)
    scale: float = 1.0
    shift: float = 0.0
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    rgb_factors: tuple[Rgb, ...] = ()
    rgb_bias: Rgb = (0.0, 0.0, 0.0)
    approx_decoder: str = ""
    others: tuple[LatentSpace, ...] = ()

    def to_model(self, latent: Tensor) -> Tensor:
        """A VAE's latent, float[batch, channels, *grid], in the denoiser's scale."""
        if self.means:
            means, deviations = self._statistics(latent)
            return (latent - means) * self.scale / deviations
        return (latent - self.shift if self.shift else latent) * self.scale

    def from_model(self, latent: Tensor) -> Tensor:
        """The inverse of :meth:`to_model`."""
        if self.means:
            means, deviations = self._statistics(latent)
            return latent * deviations / self.scale + means
        latent = latent / self.scale
        return latent + self.shift if self.shift else latent

    def shape(self, width_px: int, height_px: int, frames: int = 1, batch: int = 1) -> tuple[int, ...]:
        """The shape of latents of pictures or films of that size: [batch, channels, *grid], of whole cells."""
        per_frame, rows, columns = self.factors
        grid = (height_px // rows, width_px // columns)
        return (batch, self.channels, *(((frames - 1) // per_frame + 1,) if self.dims == 3 else ()), *grid)

    def size_px(self, latent: Tensor) -> tuple[int, int]:
        """Height and width of the pictures that ``latent`` stands for."""
        return latent.shape[-2] * self.factors[1], latent.shape[-1] * self.factors[2]

    def preview(self, latent: Tensor) -> Tensor:
        """A rough picture of one latent in the denoiser's scale: float[channels, *grid] -> uint8[h, w, 3].

        Of a film it is the frame in its middle.
        """
        if self.dims == 3 and latent.ndim == 4:
            latent = latent[:, latent.shape[1] // 2]
        latent = latent.float().movedim(0, -1)
        if self.rgb_factors:
            rgb = latent @ latent.new_tensor(self.rgb_factors) + latent.new_tensor(self.rgb_bias)
        else:
            rgb = latent.mean(dim=-1, keepdim=True).expand(*latent.shape[:-1], 3)
        return ((rgb + 1) / 2 * 255).nan_to_num(0).clamp(0, 255).byte().cpu()

    def _statistics(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        sides = (1,) * (latent.ndim - 2)
        means, deviations = (latent.new_tensor(each).view(-1, *sides) for each in (self.means, self.deviations))
        return means, deviations


PLAYGROUND_25 = LatentSpace(
    channels=4,
    scale=0.5,
    means=(-1.6574, 1.886, -1.383, 2.5155),
    deviations=(8.4927, 5.9022, 6.5498, 5.2299),
    rgb_factors=(
        (0.3651, 0.4232, 0.4341),
        (-0.2533, -0.0042, 0.1068),
        (0.1076, 0.1111, -0.0362),
        (-0.3165, -0.2492, -0.2188),
    ),
    rgb_bias=(0.1084, -0.0175, -0.0011),
    approx_decoder="taesdxl_decoder",
)
"""What the sampling ``edm_playground_v2.5`` puts in place of a model's own space: half the usual spread."""
