"""Flux.2: dev, and klein in its sizes."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet, VaeKind
from nodes.families.marks import Marks, Shapes
from nodes.latent_space import LatentSpace, Rgb


def _is_mistral(shapes: Shapes) -> bool:
    """Whether a file without a tokenizer is Mistral Small, whose heads are no part of its width."""
    query = shapes.get("model.layers.0.self_attn.q_proj.weight")
    marks = ("self_attn.q_proj.bias", "self_attn.q_norm.weight", "pre_feedforward_layernorm.weight")
    return query is not None and query[1] > query[0] and not any(f"model.layers.0.{mark}" in shapes for mark in marks)


MISTRAL = EncoderKind(
    "mistral",
    "Mistral Small",
    (
        Marks(("model.embed_tokens.weight", "tekken_model")),
        Marks(("model.embed_tokens.weight",), test=_is_mistral),
    ),
    "nodes.diffusion.language.mistral",
)


VAE = VaeKind(
    "flux2",
    "Flux.2 VAE",
    (Marks(("encoder.conv_in.weight", "decoder.conv_in.weight", "bn.running_mean")),),
    "nodes.families.flux2.vae",
)

PACKED = 4
"""Latent pixels of the autoencoder, 2 x 2 of them, that are channels of one."""

# Of the autoencoder's channels; each is 4 of the packed latent's.
_RGB: tuple[Rgb, ...] = (
    (0.0058, 0.0113, 0.0073),
    (0.0495, 0.0443, 0.0836),
    (-0.0099, 0.0096, 0.0644),
    (0.2144, 0.3009, 0.3652),
    (0.0166, -0.0039, -0.0054),
    (0.0157, 0.0103, -0.0160),
    (-0.0398, 0.0902, -0.0235),
    (-0.0052, 0.0095, 0.0109),
    (-0.3527, -0.2712, -0.1666),
    (-0.0301, -0.0356, -0.0180),
    (-0.0107, 0.0078, 0.0013),
    (0.0746, 0.0090, -0.0941),
    (0.0156, 0.0169, 0.0070),
    (-0.0034, -0.0040, -0.0114),
    (0.0032, 0.0181, 0.0080),
    (-0.0939, -0.0008, 0.0186),
    (0.0018, 0.0043, 0.0104),
    (0.0284, 0.0056, -0.0127),
    (-0.0024, -0.0022, -0.0030),
    (0.1207, -0.0026, 0.0065),
    (0.0128, 0.0101, 0.0142),
    (0.0137, -0.0072, -0.0007),
    (0.0095, 0.0092, -0.0059),
    (0.0000, -0.0077, -0.0049),
    (-0.0465, -0.0204, -0.0312),
    (0.0095, 0.0012, -0.0066),
    (0.0290, -0.0034, 0.0025),
    (0.0220, 0.0169, -0.0048),
    (-0.0332, -0.0457, -0.0468),
    (-0.0085, 0.0389, 0.0609),
    (-0.0076, 0.0003, -0.0043),
    (-0.0111, -0.0460, -0.0614),
)

SPACE = LatentSpace(
    channels=128,
    factors=(1, 16, 16),
    rgb_factors=tuple(
        (red / PACKED, green / PACKED, blue / PACKED) for red, green, blue in _RGB for _ in range(PACKED)
    ),
    rgb_bias=(-0.0329, -0.0718, -0.0851),
    approx_decoder="taef2_decoder",
)

FAMILY = Family(
    name="flux2",
    title="Flux.2",
    package=__name__,
    marks=(
        Marks(("double_stream_modulation_img.lin.weight", "img_in.weight")),
        Marks(("double_stream_modulation_img.linear.weight", "x_embedder.weight")),
    ),
    space=SPACE,
    texts=(
        TextSet("klein", ("qwen3",), types=("flux2",)),
        TextSet("dev", ("mistral",)),
    ),
    encoders=(MISTRAL,),
    vaes=(VAE,),
)
