"""Every workflow in graphs/ runs, on tiny random models that stand in for the files it names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetUnionModel, UNet2DConditionModel
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.diffusion.ldm_names import ldm_names
from tests.reference.families import models

GRAPHS = Path(__file__).parents[2] / "graphs"
LARGEST_PX = 128
STEPS = 3
STAND_INS = {
    "checkpoints": {
        "tiny.safetensors": "tiny_sd15.safetensors",
        "second.safetensors": "tiny_sd15_inpaint.safetensors",
        "sd_xl_base_1.0.safetensors": "tiny_sdxl.safetensors",
    },
    "controlnet": {"tiny_canny.safetensors": "tiny_controlnet.safetensors"},
    "loras": {"tiny_style.safetensors": "tiny_lora.safetensors"},
    "upscale_models": {"tiny_upscale_x2.safetensors": "tiny_esrgan_x2.safetensors"},
}
# Files of the families that the book of tiny models has, by kind and name.
FAMILY_STAND_INS = {
    "diffusion_models/flux1-dev.safetensors": "tiny_flux_dev.safetensors",
    "diffusion_models/flux1-fill-dev.safetensors": "tiny_flux_fill.safetensors",
    "diffusion_models/Chroma1-HD.safetensors": "tiny_chroma.safetensors",
    "checkpoints/sd3.5_large.safetensors": "tiny_sd3.5_large_checkpoint.safetensors",
    "text_encoders/clip_l.safetensors": "tiny_clip_l.safetensors",
    "text_encoders/clip_g.safetensors": "tiny_clip_g.safetensors",
    "text_encoders/t5xxl_fp16.safetensors": "tiny_t5xxl.safetensors",
    "vae/ae.safetensors": "tiny_ae.safetensors",
    "diffusion_models/z_image_turbo_bf16.safetensors": "tiny_z_image_bf16.safetensors",
    "checkpoints/lumina_2.safetensors": "tiny_lumina2_checkpoint.safetensors",
    "diffusion_models/qwen_image_fp8_e4m3fn.safetensors": "tiny_qwen_image_fp8_e4m3fn.safetensors",
    "diffusion_models/qwen_image_edit_2509_fp8_e4m3fn.safetensors": "tiny_qwen_image.safetensors",
    "diffusion_models/flux-2-klein-4b.safetensors": "tiny_flux2_klein.safetensors",
    "diffusion_models/flux2_dev_fp8mixed.safetensors": "tiny_flux2_dev_fp8mixed.safetensors",
    "text_encoders/qwen_3_4b.safetensors": "tiny_qwen3_4b.safetensors",
    "text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors": "tiny_qwen_2.5_vl_7b_fp8_scaled.safetensors",
    "text_encoders/mistral_3_small_flux2_bf16.safetensors": "tiny_mistral_3_small_flux2.safetensors",
    "vae/qwen_image_vae.safetensors": "tiny_qwen_image_vae.safetensors",
    "vae/flux2-vae.safetensors": "tiny_flux2_vae.safetensors",
}
# The same, of families that have a book of their own.
FILM_STAND_INS = {
    "wan": {
        "diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors": "tiny_wan21_t2v.safetensors",
        "diffusion_models/wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors": "tiny_wan22_i2v_high.safetensors",
        "diffusion_models/wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors": "tiny_wan22_i2v_low.safetensors",
        "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors": "tiny_umt5_fp8_scaled.safetensors",
        "vae/wan_2.1_vae.safetensors": "tiny_wan21_vae.safetensors",
    },
    "svd": {"checkpoints/svd_xt.safetensors": "tiny_svd.safetensors"},
    "ltx2": {
        "checkpoints/ltx-2-19b-dev.safetensors": "tiny_ltx2.safetensors",
        "text_encoders/gemma_3_12B_it.safetensors": "tiny_gemma3_12b.safetensors",
    },
    "ltx": {
        "checkpoints/ltx-video-2b-v0.9.5.safetensors": "tiny_ltxv_097.safetensors",
        "text_encoders/t5xxl_fp8_e4m3fn_scaled.safetensors": "tiny_t5xxl.safetensors",
    },
    "hunyuan_video": {
        "diffusion_models/hunyuanvideo1.5_720p_t2v_fp16.safetensors": "tiny_hunyuan_video15_t2v.safetensors",
        "text_encoders/qwen_2.5_vl_7b.safetensors": "tiny_qwen25_vl_7b.safetensors",
        "text_encoders/byt5_small_glyphxl_fp16.safetensors": "tiny_byt5_small_glyph.safetensors",
        "vae/hunyuanvideo15_vae_fp16.safetensors": "tiny_hunyuan_video15_vae.safetensors",
    },
    "ace_step15": {
        "diffusion_models/acestep_v1.5_turbo.safetensors": "tiny_acestep_v1.5.safetensors",
        "text_encoders/qwen_0.6b_ace15.safetensors": "tiny_qwen3_06b_ace15.safetensors",
        "text_encoders/qwen_1.7b_ace15.safetensors": "tiny_qwen3_2b_ace15_lm.safetensors",
        "vae/ace_1.5_vae.safetensors": "tiny_ace15_vae.safetensors",
    },
}
FILM_PX, FRAMES, SECONDS = 64, 9, 2.0
SDXL_LEVELS: dict[str, Any] = {
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (1, 1, 2),
    "cross_attention_dim": 160,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 96 + 6 * 256,
}
REFINER: dict[str, Any] = {
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (1, 1, 1, 1),
    "cross_attention_dim": 96,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 96 + 5 * 256,
}


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("graphs")
    for kind, names in STAND_INS.items():
        (folder / "models" / kind).mkdir(parents=True)
        for name, stand_in in names.items():
            shutil.copy(models_dir / kind / stand_in, folder / "models" / kind / name)
    write_stand_ins(models.BOOK, FAMILY_STAND_INS, folder)
    for family, stand_ins in FILM_STAND_INS.items():
        write_stand_ins(models.BOOK.parent / family / "models.json.xz", stand_ins, folder)
    torch.manual_seed(0)
    write_refiner(folder / "models" / "checkpoints", models_dir / "checkpoints" / "tiny_sdxl.safetensors")
    union = ControlNetUnionModel(**SDXL_LEVELS, num_control_type=6, num_trans_channel=32, num_proj_channel=32)
    save_file(union.state_dict(), folder / "models" / "controlnet" / "controlnet-union-sdxl-1.0.safetensors")
    (folder / "input").mkdir()
    noise = torch.randint(0, 256, (96, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    Pillow.fromarray(noise.numpy()).save(folder / "input" / "example.png")
    mask = Pillow.new("L", (96, 96))
    mask.paste(255, (24, 24, 72, 64))
    mask.save(folder / "input" / "example_mask.png")
    folders = Folders(
        model_folders([folder / "models"]), folder / "input", output=folder / "output", temp=folder / "temp"
    )
    return Engine(builtin_registry(), folders, ModelStore("cpu"))


def write_stand_ins(book: Path, stand_ins: dict[str, str], folder: Path) -> None:
    written = models.write(book, folder / "book", set(stand_ins.values()))
    for name, stand_in in stand_ins.items():
        path = folder / "models" / name
        path.parent.mkdir(exist_ok=True)
        shutil.move(written / path.parent.name / stand_in, path)


def write_refiner(folder: Path, sdxl: Path) -> None:
    """A tiny refiner: a UNet of four levels, with the VAE and the bigG encoder of the tiny SDXL."""
    network = UNet2DConditionModel(**REFINER)
    tensors = network.state_dict()
    modules = ldm_names({name.rpartition(".")[0] for name in tensors})
    unet = {}
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        unet[f"model.diffusion_model.{modules[module]}.{leaf}"] = tensor
    rest = {}
    for name, tensor in load_file(sdxl).items():
        if name.startswith("first_stage_model."):
            rest[name] = tensor
        elif name.startswith("conditioner.embedders.1."):
            rest[name.replace("embedders.1.", "embedders.0.")] = tensor
    save_file(unet | rest, folder / "sd_xl_refiner_1.0.safetensors")


def shrunk(graph: dict[str, Any]) -> dict[str, NodeDocument]:
    """The graph with fewer steps, smaller pictures and shorter sounds, otherwise as it stands."""
    for entry in graph.values():
        inputs = entry["inputs"]
        if entry["class_type"] in ("EmptyLatentImage", "EmptySD3LatentImage", "EmptyFlux2LatentImage"):
            inputs |= {side: min(inputs[side], LARGEST_PX) for side in ("width", "height")}
        if entry["class_type"] == "TextEncodeQwenImageEditPlus":
            del inputs["vae"]  # The reference is of 1024 x 1024 pixels whatever the picture is.
        if "video_frames" in inputs:
            inputs |= {"width": FILM_PX, "height": FILM_PX, "video_frames": STEPS}
        inputs |= {name: min(inputs[name], SECONDS) for name in ("seconds", "duration") if name in inputs}
        if "length" in inputs:
            inputs |= {"width": FILM_PX, "height": FILM_PX, "length": FRAMES}
        scale = STEPS / inputs["steps"] if isinstance(inputs.get("steps"), int) else 1
        for name in ("steps", "start_at_step", "end_at_step"):
            if isinstance(inputs.get(name), int) and inputs[name] < 10_000:
                inputs[name] = round(inputs[name] * scale)
    return {node_id: NodeDocument(**entry) for node_id, entry in graph.items()}


@pytest.mark.parametrize("graph", sorted(path.name for path in GRAPHS.glob("*.json")))
def test_graph_runs(graph: str, engine: Engine) -> None:
    workflow = Workflow(nodes=shrunk(json.loads((GRAPHS / graph).read_text())))
    result = engine.run(workflow)
    files = [item for output in result.outputs.values() for item in output.shown]
    assert files, "nothing was shown"
    saved = [path for path in engine.folders.output.rglob("*") if path.is_file()]
    assert saved
    assert all(path.stat().st_size > 0 for path in saved)


def test_every_graph_is_listed() -> None:
    listed = (GRAPHS / "README.md").read_text()
    assert all(f"`{path.name}`" in listed for path in GRAPHS.glob("*.json"))
