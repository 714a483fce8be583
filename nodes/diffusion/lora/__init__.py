"""LoRA and its relatives: files of small changes to a network's weights."""

from nodes.diffusion.lora.loading import apply_lora

__all__ = ["apply_lora"]
