"""What a check says of model files beforehand is what their loaders say when they open them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.context import Context
from engine.errors import ModelUnreadable
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.validate import Checked, inspect
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.families.checking import file_problems
from nodes.families.lora_fit import lora_notes

REGISTRY = builtin_registry()
UNET = "model.diffusion_model."
LOADERS = {
    "CheckpointLoaderSimple": ("checkpoints", "ckpt_name"),
    "UNETLoader": ("diffusion_models", "unet_name"),
    "VAELoader": ("vae", "vae_name"),
    "ControlNetLoader": ("controlnet", "control_net_name"),
    "CLIPLoader": ("text_encoders", "clip_name"),
    "UpscaleModelLoader": ("upscale_models", "model_name"),
    "LoraLoaderModelOnly": ("loras", "lora_name"),
}


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("the pickle was executed",))


@pytest.fixture
def folder(models_dir: Path, tmp_path: Path) -> Path:
    for kind, _ in LOADERS.values():
        (tmp_path / kind).mkdir()
    for file in (models_dir / "checkpoints").iterdir():
        os.link(file, tmp_path / "checkpoints" / file.name)
    os.link(models_dir / "loras" / "tiny_lora.safetensors", tmp_path / "loras" / "tiny_lora.safetensors")
    return tmp_path


def check(folder: Path, **nodes: tuple[str, dict[str, Any]]) -> Checked:
    workflow = Workflow(nodes={name: NodeDocument(class_type=kind, inputs=own) for name, (kind, own) in nodes.items()})
    checked = inspect(workflow, REGISTRY, Folders(model_folders([folder])), list(nodes))
    assert [p for p in checked.problems if p.code != "required_input_missing"] == []
    return checked


def broken(kind: str) -> bytes:
    whole = {"a": torch.ones(100)}
    path = Path(os.environ["PYTEST_SCRATCH"]) / "x"
    if kind == "pickle":
        torch.save({"a": torch.ones(1), "b": Trap()}, path)
    elif kind == "legacy pickle":
        torch.save({"b": Trap()}, path, _use_new_zipfile_serialization=False)
    elif kind == "strange":
        save_file(whole, path)
    elif kind == "truncated":
        save_file(whole, path)
        return path.read_bytes()[:-10]
    else:
        return OTHERS[kind]
    return path.read_bytes()


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_SCRATCH", str(tmp_path_factory.mktemp("scratch")))


OTHERS = {"page": b"<html>", "empty": b"", "gguf": b"GGUF" + bytes(50), "pointer": b"version https://git-lfs x"}
KINDS = ("pickle", "legacy pickle", "truncated", "page", "empty", "gguf", "pointer", "strange")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loader", sorted(set(LOADERS) - {"LoraLoaderModelOnly"}))
def test_what_a_loader_refuses_is_a_problem_before(folder: Path, loader: str, kind: str) -> None:
    place, name = LOADERS[loader]
    (folder / place / "x.safetensors").write_bytes(broken(kind))
    node = (loader, {name: "x.safetensors"})
    found = list(file_problems(check(folder, one=node).nodes))
    (problem,) = found
    assert (problem.node_id, problem.input) == ("one", name)
    assert "'x.safetensors'" in problem.message
    ctx = Context(Folders(model_folders([folder])), ModelStore("cpu"))
    spec = REGISTRY[loader]
    more = {each.name: each.default for each in spec.inputs.values() if each.name != name}
    with pytest.raises(ModelUnreadable):
        spec.run(ctx, **{name: "x.safetensors"}, **more)


@pytest.mark.parametrize(
    ("loader", "file"),
    [
        ("CheckpointLoaderSimple", "tiny_sd15.safetensors"),
        ("CheckpointLoaderSimple", "tiny_sdxl.safetensors"),
        ("LoraLoaderModelOnly", "tiny_lora.safetensors"),
    ],
)
def test_sound_files_are_no_problem(folder: Path, loader: str, file: str) -> None:
    assert list(file_problems(check(folder, one=(loader, {LOADERS[loader][1]: file})).nodes)) == []


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_weights_are_no_problem_up_to_the_limit(folder: Path, zipped: bool) -> None:
    last = torch.nn.Parameter(torch.ones(3, 8, 3, 3, dtype=torch.bfloat16))
    tensors = {"first": torch.ones(8, 3, 3, 3), "last": last, "n": torch.tensor(3)}
    torch.save(
        {"state_dict": tensors, "global_step": 3},
        folder / "upscale_models" / "x.pth",
        _use_new_zipfile_serialization=zipped,
    )
    nodes = check(folder, one=("UpscaleModelLoader", {"model_name": "x.pth"})).nodes
    assert list(file_problems(nodes)) == []
    (problem,) = file_problems(nodes, 100)
    assert "DAGFUSION_PICKLED_GIB" in problem.remedy
    torch.save({"a": torch.ones(3)}, folder / "upscale_models" / "x.pth", _use_new_zipfile_serialization=zipped)
    (problem,) = file_problems(nodes)
    assert "'x.pth' holds no upscaler" in problem.message


def without(folder: Path, *prefixes: str) -> None:
    tensors = load_file(folder / "checkpoints" / "tiny_sd15.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}
    save_file(kept, folder / "checkpoints" / "part.safetensors")


@pytest.mark.parametrize(
    ("prefix", "slot", "reader", "input"),
    [("cond_stage_model.", 1, "CLIPTextEncode", "clip"), ("first_stage_model.", 2, "VAEDecode", "vae")],
)
def test_a_part_that_a_checkpoint_lacks_is_told_where_it_is_read(
    folder: Path, prefix: str, slot: int, reader: str, input: str
) -> None:
    without(folder, prefix)
    load = ("CheckpointLoaderSimple", {"ckpt_name": "part.safetensors"})
    encode = ("CLIPTextEncode", {"text": "x", "clip": ["one", 1]})
    decode = ("VAEDecode", {"samples": ["latent", 0], "vae": ["one", 2]})
    latent = ("EmptyLatentImage", {})
    checked = check(folder, one=load, latent=latent, two=encode if slot == 1 else decode)
    (problem,) = file_problems(checked.nodes)
    assert (problem.node_id, problem.class_type, problem.input) == ("two", reader, input)
    assert "'part.safetensors' holds no" in problem.message
    unread = check(folder, one=load, latent=latent, two=decode if slot == 1 else encode)
    assert list(file_problems(unread.nodes)) == []


def lora(folder: Path, modules: dict[str, dict[str, Tensor]]) -> list[str]:
    tensors = {f"{module}.{part}": tensor for module, parts in modules.items() for part, tensor in parts.items()}
    save_file(tensors, folder / "loras" / "x.safetensors")
    load = ("CheckpointLoaderSimple", {"ckpt_name": "tiny_sd15.safetensors"})
    shifted = ("ModelSamplingDiscrete", {"model": ["one", 0], "sampling": "eps"})
    put_on = ("LoraLoaderModelOnly", {"model": ["shifted", 0], "lora_name": "x.safetensors"})
    notes = list(lora_notes(check(folder, one=load, shifted=shifted, two=put_on).nodes))
    assert {note.node_id for note in notes} <= {"two"}
    return [note.message for note in notes]


PARTS = {"lora_down.weight": torch.ones(4, 64), "lora_up.weight": torch.ones(64, 4)}


@pytest.mark.parametrize(
    "module",
    [
        "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
        "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out",
        "diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
    ],
)
def test_of_a_lora_that_fits_nothing_is_said(folder: Path, module: str) -> None:
    assert lora(folder, {module: PARTS}) == []


def test_a_lora_of_another_family_changes_nothing(folder: Path) -> None:
    told = lora(folder, {"lora_unet_double_blocks_0_img_attn_qkv": PARTS})
    assert told[0].startswith("LoRA 'x.safetensors' changes nothing")
    assert "double_blocks_0" in told[1]


@pytest.mark.parametrize(
    "module",
    [
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0",
        "lora_unet_output_blocks_3_1_transformer_blocks_0_attn2_to_k",
    ],
)
def test_a_lora_for_a_unet_changes_nothing_of_a_transformer(folder: Path, module: str) -> None:
    transformer = {"double_blocks.0.img_attn.qkv.weight": torch.ones(4, 4), "img_in.weight": torch.ones(4, 4)}
    save_file(transformer, folder / "diffusion_models" / "flux.safetensors")
    save_file({f"{module}.{part}": tensor for part, tensor in PARTS.items()}, folder / "loras" / "x.safetensors")
    load = ("UNETLoader", {"unet_name": "flux.safetensors"})
    put_on = ("LoraLoaderModelOnly", {"model": ["one", 0], "lora_name": "x.safetensors"})
    told = [note.message for note in lora_notes(check(folder, one=load, two=put_on).nodes)]
    assert told[0].startswith("LoRA 'x.safetensors' changes nothing: no module of it fits this model")


def test_what_is_no_part_of_a_lora_is_told(folder: Path) -> None:
    module = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    (told,) = lora(folder, {module: PARTS | {"magnitude": torch.ones(64)}})
    assert "1 tensor of kinds that are not applied" in told
    assert lora(folder, {module: {"on_input": torch.ones(1), "weight": torch.ones(64)}})[0].endswith("changes nothing")


def test_checking_loads_nothing_heavy() -> None:
    program = (
        "import sys; from nodes.families import checking, lora_fit;"
        "print([n for n in ('torch._C', 'diffusers', 'transformers', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
