"""Preprocessors draw what controlnet_aux's networks see, on files of the right form with weights of the test's own."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from engine.context import Context
from engine.errors import ModelMissing, ModelUnreadable
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.types import Image
from nodes import builtin_registry
from nodes.preprocessors import PREPROCESSORS, preprocess

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from controlnet_aux.hed import ControlNetHED_Apache2


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    (tmp_path / "annotators").mkdir()
    return Context(folders=Folders(model_folders([tmp_path])), models=ModelStore("cpu"))


def test_a_network_draws_its_picture(ctx: Context, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(ControlNetHED_Apache2().state_dict(), tmp_path / "annotators" / "ControlNetHED.pth")
    photos = torch.rand(2, 96, 128, 3)
    edges = preprocess(ctx, image=Image(photos), preprocessor="HEDPreprocessor", resolution=64).pixels
    assert edges.shape == (2, 64, 64, 3) or edges.shape == (2, 64, 128, 3)
    assert 0 <= edges.min() < edges.max() <= 1
    assert torch.equal(edges[..., 0], edges[..., 2])
    assert not torch.equal(edges[0], edges[1])


def test_none_leaves_the_picture_alone(ctx: Context) -> None:
    image = Image(torch.rand(1, 8, 8, 3))
    assert preprocess(ctx, image=image) is image


@pytest.mark.parametrize("name", PREPROCESSORS[1:])
def test_a_missing_file_is_named(ctx: Context, name: str) -> None:
    with pytest.raises(ModelMissing, match="annotators"):
        preprocess(ctx, image=Image(torch.rand(1, 64, 64, 3)), preprocessor=name)


def test_a_file_that_holds_something_else_is_refused(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "annotators" / "ControlNetHED.pth"
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(ModelUnreadable, match="ControlNetHED"):
        preprocess(ctx, image=Image(torch.rand(1, 64, 64, 3)), preprocessor="HEDPreprocessor")
    path.write_bytes(b"no")
    with pytest.raises(ModelUnreadable, match="ControlNetHED"):
        preprocess(ctx, image=Image(torch.rand(1, 64, 64, 3)), preprocessor="HEDPreprocessor")


def test_results_depend_on_the_files_of_the_networks(ctx: Context, tmp_path: Path) -> None:
    fingerprint = builtin_registry()["AIO_Preprocessor"].fingerprint
    assert fingerprint is not None
    assert fingerprint(ctx, preprocessor="HEDPreprocessor") == fingerprint(ctx, preprocessor="none") == []
    seen = []
    for content in (b"one", b"three"):
        (tmp_path / "annotators" / "ControlNetHED.pth").write_bytes(content)
        assert fingerprint(ctx, preprocessor="PiDiNetPreprocessor") == []
        assert fingerprint(ctx, preprocessor=None) == fingerprint(ctx, preprocessor="HEDPreprocessor")
        seen += fingerprint(ctx, preprocessor="HEDPreprocessor")
    assert len(set(seen)) == 2
