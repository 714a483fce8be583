"""ControlNets, union ControlNets and T2I adapters: loading them, and what they add to a network's activations."""

from nodes.diffusion.control.loading import load_control_net
from nodes.diffusion.control.running import check_fit, lease

__all__ = ["check_fit", "lease", "load_control_net"]
