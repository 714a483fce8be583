"""Text encoding: encoders from files, and what families make of prompts with them."""

from nodes.diffusion.text.clip_scaling import scale_attention
from nodes.diffusion.text.embeddings import embedding_files
from nodes.diffusion.text.lengths import padding_options
from nodes.diffusion.text.loading import clip_in, load_clip

__all__ = ["clip_in", "embedding_files", "load_clip", "padding_options", "scale_attention"]
