"""Which model files a workflow names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.service.named_models import named_models
from engine.folders import Folders
from nodes import builtin_registry

REGISTRY = builtin_registry()


def prompt(checkpoint: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["1", 0], "lora_name": "b.safetensors"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "b.safetensors"}},
        "4": {"class_type": "Unknown", "inputs": {"ckpt_name": "b.safetensors"}},
        "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ["1", 0]}},
        "6": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}},
        "7": {},
    }


def test_model_files_that_are_there_are_named(tmp_path: Path) -> None:
    for kind, name in (("checkpoints", "a"), ("loras", "b")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.safetensors").touch()
    folders = Folders({kind: [tmp_path / kind] for kind in ("checkpoints", "loras")}, input=tmp_path)
    checkpoint = ("checkpoints/a.safetensors", tmp_path / "checkpoints" / "a.safetensors")
    lora = ("loras/b.safetensors", tmp_path / "loras" / "b.safetensors")
    assert list(named_models(prompt("a.safetensors"), REGISTRY, folders)) == [checkpoint, lora]
    assert list(named_models(prompt("missing.safetensors"), REGISTRY, folders)) == [lora]
