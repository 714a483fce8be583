"""ControlNets, union ControlNets and T2I adapters: loading them, and what they add to a UNet's activations."""

from nodes.diffusion.control.loading import load_control_net
from nodes.diffusion.control.running import lease

__all__ = ["lease", "load_control_net"]
