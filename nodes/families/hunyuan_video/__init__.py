"""HunyuanVideo 1.0 (from text and from pictures) and 1.5."""

from __future__ import annotations

from nodes.families.family import EncoderKind, Family, TextSet, VaeKind
from nodes.families.hunyuan_video.spaces import SPACE
from nodes.families.marks import Marks, Shapes

REFINER = "txt_in.individual_token_refiner.blocks.0.norm1.weight"

LLAMA3_TOKENS = 128_256
"""Of Llama 3's vocabulary; the encoders that were made of it have a few more rows."""


def _is_llama3(shapes: Shapes) -> bool:
    return LLAMA3_TOKENS <= shapes["model.embed_tokens.weight"][0] < LLAMA3_TOKENS + 256


LLAMA3 = EncoderKind(
    "llama3",
    "Llama 3",
    (
        Marks(
            ("model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.weight"),
            ("model.layers.0.self_attn.k_proj.bias", "model.layers.0.self_attn.q_norm.weight", "tekken_model"),
            _is_llama3,
        ),
    ),
    "nodes.diffusion.language.llama3",
)

VAE = VaeKind(
    "hunyuan_video",
    "HunyuanVideo VAE",
    (Marks(("encoder.conv_in.conv.weight", "decoder.mid.block_1.conv1.conv.weight", "post_quant_conv.weight")),),
    "nodes.families.hunyuan_video.vae",
)


VAE_15 = VaeKind(
    "hunyuan_video15",
    "HunyuanVideo 1.5 VAE",
    (Marks(("encoder.down.0.block.0.norm1.gamma", "decoder.up.0.upsample.conv.conv.weight"), ("quant_conv.weight",)),),
    "nodes.families.hunyuan_video.vae_15",
)

_UMT5 = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"  # which has one in every layer
BYTE_ROWS = 1510
"""Of ByT5's table: one a byte, and marks."""


def _is_of_bytes(shapes: Shapes) -> bool:
    return shapes["shared.weight"][0] <= BYTE_ROWS


BYT5 = EncoderKind(
    "byt5",
    "ByT5",
    (Marks(("shared.weight", "encoder.block.0.layer.1.DenseReluDense.wi_1.weight"), (_UMT5,), _is_of_bytes),),
    "nodes.diffusion.text.t5",
)


def _has_room(shapes: Shapes) -> bool:
    return shapes["img_in.proj.weight"][1] in (16, 33, 65)


FAMILY = Family(
    name="hunyuan_video",
    title="HunyuanVideo",
    package=__name__,
    marks=(Marks((REFINER, "img_in.proj.weight", "double_blocks.0.img_attn_qkv.weight"), (), _has_room),),
    space=SPACE,
    texts=(
        TextSet(
            "hunyuan_video",
            ("clip_l", "llama3"),
            prefixes={
                "clip_l": ("text_encoders.clip_l.transformer.",),
                "llama3": ("text_encoders.llama.transformer.",),
            },
        ),
        TextSet("hunyuan_video_15", ("qwen25_vl", "byt5")),
    ),
    side_px=480,
    encoders=(LLAMA3, BYT5),
    vaes=(VAE, VAE_15),
)
