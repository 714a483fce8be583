"""A family of one weight that denoises films with their sound: what the shared parts must carry, without a network."""

from __future__ import annotations

from nodes.families.family import Family
from nodes.latent_space import LatentSpace

SOUND = LatentSpace(2, dims=2, scale=0.5)
FAMILY = Family(
    name="toy_film",
    title="Toy film",
    package=__name__,
    marks=(),
    space=LatentSpace(3, dims=3, factors=(4, 16, 16), scale=2.0, shift=0.25, others=(SOUND,)),
)
