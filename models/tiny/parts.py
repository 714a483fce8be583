"""The networks of the family, as diffusers and transformers modules: SD1.x in shape, small in width."""

from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

TOKENS = 49408
TEXT_WIDTH = 48
CONTEXT_LENGTH = 77
LATENT_SCALE = 0.18215
UNET_CHANNELS = (64, 96)
VAE_CHANNELS = (64, 32, 64, 64)


def build_vae(channels: tuple[int, ...] = VAE_CHANNELS) -> nn.Module:
    """KL autoencoder: float[B, 3, H, W] in [-1, 1] to 4 latent channels at an eighth of the side."""
    levels = len(channels)
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=32,
        scaling_factor=LATENT_SCALE,
    )


def build_unet() -> nn.Module:
    """The denoiser: latents float[B, 4, h, w], timesteps [B], context float[B, L, 48]. Attends at half resolution."""
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=UNET_CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=8,  # the number of heads, by the name that SD1.x configurations gave it
        norm_num_groups=32,
    )
    unet.set_attn_processor(AttnProcessor())  # at these widths plain products beat the fused kernel on CPUs
    return unet


def build_controlnet(unet: nn.Module) -> nn.Module:
    """A ControlNet that starts as a copy of the UNet's encoder; hints are float[B, 3, 8h, 8w] in [0, 1]."""
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 96, 256))
    control.set_attn_processor(AttnProcessor())
    return control


def build_text(tokens: int = TOKENS) -> nn.Module:
    """CLIP text encoder of width 48 with 3 heads (16 columns a head) and 3 layers; training uses a short table."""
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=tokens,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=TEXT_WIDTH // 16,
            max_position_embeddings=CONTEXT_LENGTH,
            hidden_act="quick_gelu",
            projection_dim=TEXT_WIDTH,
            eos_token_id=tokens - 1,
            bos_token_id=tokens - 2,
            pad_token_id=tokens - 1,
        )
    )
    text.set_attn_implementation("eager")  # the fused kernel's backward pass is slow on CPUs
    return text
