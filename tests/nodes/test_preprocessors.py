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
from nodes.preprocessors import PREPROCESSORS, WITHOUT_NETWORK, preprocess

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


@pytest.mark.parametrize("name", sorted({*PREPROCESSORS} - WITHOUT_NETWORK - {"none"}))
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


def photo(left: float, right: float) -> Image:
    """96 x 192 pixels: two halves."""
    pixels = torch.full((1, 96, 192, 3), left)
    pixels[:, :, 96:] = right
    return Image(pixels)


def test_edges_are_where_brightness_changes(ctx: Context) -> None:
    edges = preprocess(ctx, image=photo(0.2, 0.8), preprocessor="CannyEdgePreprocessor", resolution=96).pixels
    assert edges.shape == (1, 96, 192, 3)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    columns = edges[0, 20:76, :, 0].amax(0).nonzero().flatten().tolist()
    assert columns
    assert all(abs(column - 95.5) < 3 for column in columns)


def test_a_scribble_is_white_where_it_was_dark(ctx: Context) -> None:
    drawn = preprocess(ctx, image=photo(0.2, 0.8), preprocessor="ScribblePreprocessor", resolution=96).pixels
    assert drawn[0, :, :90].min() == 1
    assert drawn[0, :, 102:].max() == 0


def test_colours_come_in_blocks(ctx: Context) -> None:
    torch.manual_seed(0)
    noisy = Image(torch.rand(1, 128, 192, 3))
    drawn = preprocess(ctx, image=noisy, preprocessor="ColorPreprocessor", resolution=128).pixels
    assert len(drawn[0].reshape(-1, 3).unique(dim=0)) == 2 * 3
    assert torch.allclose(drawn[0, 0, 0], noisy.pixels[0, :64, :64].mean((0, 1)), atol=1e-5)


def test_a_tile_keeps_what_is_large(ctx: Context) -> None:
    torch.manual_seed(0)
    noisy = Image((photo(0.2, 0.8).pixels + 0.2 * torch.randn(1, 96, 192, 3)).clamp(0, 1))
    drawn = preprocess(ctx, image=noisy, preprocessor="TilePreprocessor", resolution=128).pixels
    assert drawn.shape == (1, 128, 256, 3)
    assert drawn[0, :, :100].mean() < 0.3 < 0.7 < drawn[0, :, 156:].mean()
    assert drawn[0, :, :100].std() < noisy.pixels[0, :, :80].std() / 3
