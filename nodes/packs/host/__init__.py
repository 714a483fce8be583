"""What packs import of ComfyUI, written anew from how it behaves: one or more files for each of its modules.

``FACADES``: our files by ComfyUI's module. What a module has beside is a stand-in (:mod:`nodes.packs.missing`).
"""

from __future__ import annotations

from collections.abc import Mapping

FACADES: Mapping[str, tuple[str, ...]] = {
    "folder_paths": ("folder_paths",),
    "server": ("server",),
    "nodes": ("core_nodes",),
    "execution": ("execution",),
    "node_helpers": ("node_helpers",),
    "latent_preview": ("latent_preview",),
    "comfyui_version": ("version",),
    "comfy.utils": ("progress", "weight_files", "resizing"),
    "comfy.model_management": ("model_management",),
    "comfy.samplers": ("samplers",),
    "comfy.sample": ("sample",),
    "comfy.sd": ("sd",),
    "comfy.clip_vision": ("clip_vision",),
    "comfy.comfy_types": ("comfy_types",),
    "comfy.comfy_types.node_typing": ("comfy_types",),
    "comfy.k_diffusion.utils": ("k_diffusion_utils",),
    "comfy.options": ("options",),
    "comfy.cli_args": ("cli_args",),
    "comfy_execution.graph_utils": ("graph_utils",),
    "comfy_execution.graph": ("graph",),
    "comfy_api.latest": ("api_latest",),
    "comfy_api.latest._io": ("api_types", "api_schema"),
    "comfy_api.latest.io": ("api_types", "api_schema"),
    "comfy_api.latest.ui": ("api_ui",),
    "comfy_api.v0_0_2": ("api_latest",),
    "comfy_api.input": ("api_input",),
    "comfy_api.input_impl": ("api_input",),
}
