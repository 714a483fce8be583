"""A union ControlNet guides what is composed: text to image, image to image and inpainting, by the kind of control."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetUnionModel
from PIL import Image
from safetensors.torch import save_file

from adapters.service.prepare.generate.compose import compose
from adapters.service.prepare.generate.parameters import PictureParameters
from engine.document import read_workflow
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.types import SavedFile
from nodes import builtin_registry
from tests.nodes.test_graphs import SDXL_LEVELS

SIDE_PX = 64


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The tiny SDXL checkpoint, a union ControlNet that fits it, and two pictures."""
    folder = tmp_path_factory.mktemp("union")
    for kind in ("checkpoints", "controlnet", "input"):
        (folder / kind).mkdir()
    shutil.copy(models_dir / "checkpoints" / "tiny_sdxl.safetensors", folder / "checkpoints")
    torch.manual_seed(0)
    union = ControlNetUnionModel(**SDXL_LEVELS, num_control_type=6, num_trans_channel=32, num_proj_channel=32)
    # A new ControlNet's last layers are zero, so that it says nothing.
    tensors = {name: torch.randn_like(tensor) * 0.1 for name, tensor in union.state_dict().items()}
    save_file(tensors, folder / "controlnet" / "xl-union.safetensors")
    noise = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    for name in ("image", "control_0", "control_1"):
        Image.fromarray(noise).save(folder / "input" / name, "PNG")
    mask = Image.new("RGB", (SIDE_PX, SIDE_PX))
    mask.paste("white", (16, 16, 48, 48))
    mask.save(folder / "input" / "mask", "PNG")
    folders = Folders(model_folders([folder]), folder / "input", output=folder / "output", temp=folder / "temp")
    return Engine(builtin_registry(), folders, ModelStore("cpu"))


@pytest.mark.parametrize("given", [(), ("image",), ("image", "mask")], ids=["text", "image", "mask"])
def test_each_kind_of_control_draws_something_else(engine: Engine, given: tuple[str, ...]) -> None:
    def drawn(*controls: dict[str, Any]) -> bytes:
        return _drawn(engine, **dict.fromkeys(given, "x"), controls=[{"image": "x", **one} for one in controls])

    canny, depth = {"type": "canny", "preprocess": "canny"}, {"type": "depth"}
    drawings = {drawn(), drawn(canny), drawn(depth), drawn(canny, depth)}
    assert len(drawings) == 4
    assert drawn({"type": "openpose", "mode": "depth"}) == drawn(depth)


def _drawn(engine: Engine, **parameters: Any) -> bytes:
    size = {} if "image" in parameters else {"width": SIDE_PX, "height": SIDE_PX}
    made = compose(PictureParameters(prompt="a", steps=2, seed=1, **size, **parameters), engine.folders)
    result = engine.run(read_workflow(made.nodes, engine.registry))
    (saved,) = (item for node in result.outputs.values() for item in node.shown["images"])
    assert isinstance(saved, SavedFile)
    with Image.open(engine.folders.path_of(saved)) as picture:
        assert picture.size == (SIDE_PX, SIDE_PX)
        return picture.tobytes()
