"""One table knows every family by its tensors, whether it can be loaded or not; each loader asks it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import ModelUnreadable
from engine.folders import Folders, model_folders
from engine.validate import inspect
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.diffusion.checkpoints import load_checkpoint, load_unet, load_vae
from nodes.diffusion.text import load_clip
from nodes.families.checking import file_problems
from nodes.families.found import families
from nodes.families.recognition import recognise

HIDREAM = (
    "caption_projection.0.linear.weight",
    *(f"double_stream_blocks.{index}.block.attn1.to_q.weight" for index in range(6)),
)


def write(path: Path, names: tuple[str, ...], prefix: str = "") -> Path:
    save_file({prefix + name: torch.zeros(2, 2) for name in names}, path)
    return path


LOADERS: dict[str, Callable[[Path], object]] = {
    "checkpoint": load_checkpoint,
    "denoiser": load_unet,
    "vae": load_vae,
    "text encoder": lambda path: load_clip([path]),
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model."])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_family_that_is_not_here_is_named(tmp_path: Path, loader: str, prefix: str) -> None:
    path = write(tmp_path / "hidream_i1.safetensors", HIDREAM, prefix)
    with pytest.raises(ModelUnreadable, match=r"'hidream_i1.safetensors'.* of the family HiDream"):
        LOADERS[loader](path)


def test_a_file_of_nothing_known(tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", ("x", "y"))
    with pytest.raises(ModelUnreadable, match="no denoiser of a family that is known") as caught:
        load_unet(path)
    assert all(family.title in caught.value.remedy for family in families().values())


def test_a_handful_of_leftovers_under_a_prefix_is_no_denoiser() -> None:
    shapes = dict.fromkeys((*HIDREAM, "model.diffusion_model.x", "model.diffusion_model.y"), (2, 2))
    found = recognise(shapes)
    assert found is not None
    assert (found.title, found.prefix) == ("HiDream", "")


def test_each_family_is_in_the_folder_of_its_name() -> None:
    assert {"flux2", "lumina2", "qwen_image", "sd", "sdxl", "z_image"} <= families().keys()
    for name, family in families().items():
        assert family.name == name
        assert family.package == f"nodes.families.{name}"


def test_declaring_families_loads_nothing_heavy() -> None:
    program = (
        "import sys; from nodes.families import found; found.families(); list(found.node_modules());"
        "print([n for n in ('torch._C', 'diffusers', 'transformers', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_check_names_the_family_that_cannot_be_loaded(tmp_path: Path) -> None:
    """By the header alone, before anything runs."""
    (tmp_path / "checkpoints").mkdir()
    write(tmp_path / "checkpoints" / "hidream.safetensors", HIDREAM, "model.diffusion_model.")
    (tmp_path / "checkpoints" / "page.safetensors").write_text("<html>")
    folders = Folders(model_folders([tmp_path]))
    names = ("hidream.safetensors", "page.safetensors")
    loads = {
        str(number): NodeDocument(class_type="CheckpointLoaderSimple", inputs={"ckpt_name": name})
        for number, name in enumerate(names)
    }
    checked = inspect(Workflow(nodes=loads), builtin_registry(), folders, list(loads))
    assert not checked.problems
    problem, page = file_problems(checked.nodes)
    assert (problem.node_id, problem.input) == ("0", "ckpt_name")
    assert problem.message == "'hidream.safetensors' is of the family HiDream, which cannot be loaded"
    assert page.message == "model file 'page.safetensors' is a web page or XML, not safetensors"
