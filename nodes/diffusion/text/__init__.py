"""Text encoding: prompts to what the denoisers of the Stable Diffusion families read."""

from nodes.diffusion.text.clip_loading import load_clip
from nodes.diffusion.text.clip_model import text_encoder_from_state_dict, text_weights
from nodes.diffusion.text.clip_scaling import scale_attention
from nodes.diffusion.text.embeddings import embedding_files
from nodes.diffusion.text.encoding import Encoded, encode

__all__ = [
    "Encoded",
    "embedding_files",
    "encode",
    "load_clip",
    "scale_attention",
    "text_encoder_from_state_dict",
    "text_weights",
]
