"""Names of the UNet's parameters, as in Stable Diffusion 1 and 2."""

from nodes.families.sd.names import name_map

__all__ = ["name_map"]
