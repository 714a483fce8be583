"""IP-Adapter: pictures as prompts, by keys and values of their own beside the prompt's (Ye et al. 2023, 2308.06721)."""

from nodes.diffusion.ip_adapter.applying import CombinedBy, How, apply, context_width
from nodes.diffusion.ip_adapter.loading import load_ip_adapter
from nodes.diffusion.ip_adapter.patch import ScaledBy
from nodes.diffusion.ip_adapter.presets import files_meant, preset_files

__all__ = ["CombinedBy", "How", "ScaledBy", "apply", "context_width", "files_meant", "load_ip_adapter", "preset_files"]
