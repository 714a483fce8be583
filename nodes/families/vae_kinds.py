"""VAEs that no single family brings along: the KL autoencoder of pictures, and none at all."""

from __future__ import annotations

from nodes.families.family import VaeKind
from nodes.families.marks import Marks, Shapes


def _of_pictures(shapes: Shapes) -> bool:
    return len(shapes["encoder.conv_in.weight"]) == 4


KL = VaeKind(
    "kl",
    "KL autoencoder",
    (
        Marks(
            ("encoder.conv_in.weight", "decoder.conv_in.weight"),
            ("bn.running_mean", "decoder.mid.block_1.mix_factor"),
            _of_pictures,
        ),
    ),
    "nodes.diffusion.vae_kl",
)

PIXELS = VaeKind("pixels", "pixel space", (), "nodes.diffusion.vae_pixels")
"""For models that denoise pixels; no file holds one."""
