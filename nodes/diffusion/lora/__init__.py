"""LoRA and its relatives: files of small changes to a network's weights."""

from nodes.diffusion.lora.loading import apply_lora, apply_lora_to_model

__all__ = ["apply_lora", "apply_lora_to_model"]
