"""What is filled in and what of a LoRA will be left out stands in a job's notes, whichever door it came by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.prepare.foretelling import Bounds
from adapters.service.prepare.preparing import Preparation
from engine.folders import Folders, model_folders
from nodes import builtin_registry


def test_a_jobs_notes_tell_what_was_filled_in_and_what_will_be_left_out(models_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "loras").mkdir()
    flux = {
        f"lora_unet_double_blocks_0_img_attn_qkv.{part}.weight": torch.ones(4, 4) for part in ("lora_up", "lora_down")
    }
    save_file(flux, tmp_path / "loras" / "flux.safetensors")
    folders = Folders(model_folders([models_dir, tmp_path]), tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    document: dict[str, Any] = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny_sd15.safetensors"}},
        "2": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["1", 0], "lora_name": "flux.safetensors"}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
    }
    prepared = Preparation(
        builtin_registry(), folders, BlobStore(str(tmp_path / "blobs")), Bounds.of(Settings())
    ).prepare(document)
    filled, misfit, missing = prepared.notes
    assert filled == "node 2 (LoraLoaderModelOnly): 'strength_model' is not in the workflow, so it has its default, 1.0"
    assert misfit.startswith("node 2 (LoraLoaderModelOnly): LoRA 'flux.safetensors' changes nothing")
    assert "lora_unet_double_blocks_0_img_attn_qkv" in missing
