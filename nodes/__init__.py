"""The node library: one file per verb. Importing a file declares its nodes; nothing heavy is loaded."""

from __future__ import annotations

import importlib

from engine.registry import Registry
from nodes.families import found

COMFYUI_VERSION = "0.33.0"
"""Whose classes, numbers and protocol are followed; clients are told it and compare it."""

MODULES: tuple[str, ...] = (
    "audio",
    "audio_effects",
    "audio_latents",
    "boxes",
    "colour_inputs",
    "companions",
    "conditioning",
    "conditioning_sets",
    "control",
    "drawing",
    "film_files",
    "film_latents",
    "flow",
    "gguf_loaders",
    "guidance",
    "image",
    "image_files",
    "image_lists",
    "image_post",
    "image_resize",
    "image_transform",
    "inpaint",
    "ip_adapter",
    "json_texts",
    "latent",
    "latent_ops",
    "lists",
    "loaders",
    "lora",
    "mask",
    "mask_cropping",
    "merging",
    "model_patches",
    "model_sampling",
    "preprocessors",
    "preview",
    "primitives",
    "references",
    "sample",
    "samplers",
    "saving",
    "sigmas",
    "skip_layers",
    "step_caches",
    "strings",
    "text",
    "text_generation",
    "text_lists",
    "text_loaders",
    "tiles",
    "upscale",
    "vae",
    "video",
    "vision",
)


def builtin_registry() -> Registry:
    """A registry with every built-in node class: those of all models, and those that a family brings along."""
    registry = Registry()
    for name in MODULES:
        registry.add_module(importlib.import_module(f"nodes.{name}"))
    for module in found.node_modules():
        registry.add_module(module)
    return registry
