"""Enlarging with a network: tiles, memory, and files that are no upscale model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from engine.errors import DeviceMemoryExhausted, InputInvalid, ModelUnreadable
from engine.model_store import ModelStore
from nodes.pictures import upscale


def silent(done: int, total: int) -> None:
    assert 1 <= done <= total


def doubled(tile: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(tile, scale_factor=2, mode="nearest")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([16, 24, 64]))
def test_tiles_of_a_local_function_give_the_whole(height: int, width: int, tile_px: int) -> None:
    planes = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    out = upscale.tiled(planes, doubled, 2, tile_px, 4, silent)
    torch.testing.assert_close(out, doubled(planes))


def test_overlaps_are_blended_linearly() -> None:
    numbers = iter([0.0, 1.0])

    def constant(tile: torch.Tensor) -> torch.Tensor:
        return torch.full((1, 3, tile.shape[2], tile.shape[3]), next(numbers))

    out = upscale.tiled(torch.zeros(1, 3, 4, 28), constant, 1, 16, 4, silent)
    # Tiles at 0..16 and 12..28; weights fall 4/4 .. 1/4 and rise 1/4 .. 4/4 where they overlap.
    assert out[0, 0, 0, :12].tolist() == [0.0] * 12
    torch.testing.assert_close(out[0, 0, 0, 12:16], torch.tensor([0.2, 0.4, 0.6, 0.8]))
    assert out[0, 0, 0, 16:].tolist() == [1.0] * 12


def test_progress_counts_all_tiles_of_all_pictures() -> None:
    seen: list[tuple[int, int]] = []
    upscale.tiled(torch.zeros(2, 3, 20, 20), doubled, 2, 16, 4, lambda *numbers: seen.append(numbers))
    assert seen == [(n, 8) for n in range(1, 9)]


@pytest.fixture
def model(models_dir: Path) -> upscale.UpscaleModel:
    return upscale.load(models_dir / "upscale_models" / "tiny_esrgan_x2.safetensors")


def test_tiled_is_near_the_whole(model: upscale.UpscaleModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand(1, 40, 52, 3, generator=torch.Generator().manual_seed(1))
    store = ModelStore("cpu")
    whole = upscale.enlarge(pixels, model, store, silent)
    assert whole.shape == (1, 80, 104, 3)
    assert whole.min() >= 0.0
    assert whole.max() <= 1.0
    monkeypatch.setattr(upscale, "TILE_PX", 32)
    monkeypatch.setattr(upscale, "SMALLEST_TILE_PX", 32)
    monkeypatch.setattr(upscale, "OVERLAP_PX", 16)
    tiles = upscale.enlarge(pixels, model, store, silent)
    assert (tiles - whole).abs().mean() < 0.05


def test_alpha_is_dropped_and_odd_sides_work(model: upscale.UpscaleModel) -> None:
    pixels = torch.rand(2, 7, 5, 4)
    assert upscale.enlarge(pixels, model, ModelStore("cpu"), silent).shape == (2, 14, 10, 3)


def test_smaller_tiles_where_memory_runs_out(model: upscale.UpscaleModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand(1, 150, 300, 3, generator=torch.Generator().manual_seed(2))
    with monkeypatch.context() as smaller:
        smaller.setattr(upscale, "TILE_PX", 128)
        expected = upscale.enlarge(pixels, model, ModelStore("cpu"), silent)
    tried: list[int] = []
    plain = upscale.UpscaleNetwork.forward

    def run(network: upscale.UpscaleNetwork, tile: torch.Tensor) -> torch.Tensor:
        tried.append(max(tile.shape[-2:]))
        if tile.shape[-2] * tile.shape[-1] > 128 * 128:
            raise torch.OutOfMemoryError("full")
        return plain(network, tile)

    monkeypatch.setattr(upscale.UpscaleNetwork, "forward", run)
    done: list[tuple[int, int]] = []
    enlarged = upscale.enlarge(pixels, model, ModelStore("cpu"), lambda *tiles: done.append(tiles))
    assert torch.equal(enlarged, expected)
    assert tried[:3] == [300, 256, 128], "the whole, then tiles of half the size until one fits"
    assert done[-1] == (len(done), len(done)), "what was begun in vain is not counted"


def test_memory_that_does_not_hold_the_smallest_tile(
    model: upscale.UpscaleModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(upscale, "tiled", run_out)
    with pytest.raises(DeviceMemoryExhausted, match="128 pixels"):
        upscale.enlarge(torch.rand(1, 2, 2, 3), model, ModelStore("cpu"), silent)


def test_network_is_held_once(models_dir: Path, tmp_path: Path) -> None:
    file = models_dir / "upscale_models" / "tiny_esrgan_x4.safetensors"
    (tmp_path / "copy.safetensors").write_bytes(file.read_bytes())
    first, second = upscale.load(file), upscale.load(tmp_path / "copy.safetensors")
    assert first.weights.key == second.weights.key
    assert first.scale == 4


@pytest.mark.parametrize("wrapped", ["", "params_ema", "params", "state_dict"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_network_enlarges_as_the_other(models_dir: Path, tmp_path: Path, wrapped: str, zipped: bool) -> None:
    file = models_dir / "upscale_models" / "tiny_esrgan_x4.safetensors"
    tensors = load_file(file)
    content = {wrapped: tensors, "epoch": 3} if wrapped else tensors
    torch.save(content, tmp_path / "tiny.pth", _use_new_zipfile_serialization=zipped)
    pixels = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    models = ModelStore("cpu")
    ours, theirs = (
        upscale.enlarge(pixels, upscale.load(path), models, silent) for path in (tmp_path / "tiny.pth", file)
    )
    assert ours.shape == (1, 64, 64, 3)
    assert torch.equal(ours, theirs)


def test_other_files_are_refused(models_dir: Path, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 4)
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle.pth")
    lora = models_dir / "loras" / "tiny_lora.safetensors"
    for path in (tmp_path / "other.safetensors", tmp_path / "cut.safetensors", tmp_path / "pickle.pth", lora):
        with pytest.raises(ModelUnreadable, match=f"'{path.name}'"):
            upscale.load(path)


def test_grey_network_is_refused(model: upscale.UpscaleModel) -> None:
    with pytest.raises(InputInvalid, match="1 channels"):
        upscale._with_channels(torch.rand(1, 2, 2, 3), 1)
