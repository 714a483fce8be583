"""Encoding and decoding: ComfyUI's values, cropping, tiles, and what happens when memory runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.context import Context
from engine.errors import Cancelled, DeviceMemoryExhausted, InputInvalid, ModelUnreadable
from engine.events import Event, EventLog, NodeNote, NodeProgress
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes.diffusion import vae as vaes
from nodes.diffusion.checkpoints import load_checkpoint, load_vae
from nodes.diffusion.vae_config import build_vae
from nodes.diffusion.vae_pixels import pixel_space
from nodes.diffusion.vae_tiled import Tiles, blend_tiles, decoded, encoded, evenly
from nodes.diffusion.weights import WeightFile
from nodes.latent_space import LatentSpace
from nodes.values import Vae

CASES = Path(__file__).parents[2] / "reference" / "cases"


@pytest.fixture
def ctx() -> Context:
    return Context(Folders(), ModelStore("cpu"))


@pytest.fixture(scope="module")
def vae(models_dir: Path) -> Vae:
    return load_vae(models_dir / "checkpoints" / "tiny_sd15.safetensors")


def picture(height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    return torch.rand(batch, height, width, channels, generator=torch.Generator().manual_seed(1))


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def test_encoding_gives_the_recorded_latent(ctx: Context, vae: Vae) -> None:
    def colour(value: int) -> Tensor:
        return torch.tensor([value >> 16 & 255, value >> 8 & 255, value & 255]) / 255

    pixels = colour(3368652).expand(1, 64, 64, 3).clone()
    pixels[:, 8:40, 16:48] = colour(15632401)
    recorded = load_file(CASES / "outputs.safetensors")["vae_encode/samples"]
    assert distance(vaes.encode(ctx, vae, pixels), recorded) < 1e-4


def test_a_vae_equals_diffusers_on_its_own_file(ctx: Context, tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=2,
    ).eval()
    save_file(network.state_dict(), tmp_path / "vae.safetensors")
    pixels = picture(16, 24, batch=2)
    with torch.no_grad():
        latent = network.encode(pixels.movedim(-1, 1) * 2 - 1).latent_dist.mode()
        decoded = (network.decode(latent).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    opened = load_vae(tmp_path / "vae.safetensors")
    assert torch.allclose(vaes.encode(ctx, opened, pixels), latent, atol=1e-5)
    assert torch.allclose(vaes.decode(ctx, opened, latent), decoded, atol=1e-5)


def test_diffusers_former_attention_names(models_dir: Path, tmp_path: Path, ctx: Context, vae: Vae) -> None:
    network: Any = build_vae(
        WeightFile(models_dir / "checkpoints" / "tiny_sd15.safetensors").view("first_stage_model.")
    )
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for name, tensor in network.state_dict().items():
        old = next((old for new, old in former.items() if f"attentions.0.{new}." in name), None)
        renamed = f"{name.partition('.attentions.')[0]}.attentions.0.{old}.{name.rpartition('.')[2]}" if old else name
        tensors[renamed] = tensor.contiguous()
    save_file(tensors, tmp_path / "vae.safetensors")
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(vaes.decode(ctx, load_vae(tmp_path / "vae.safetensors"), latent), vaes.decode(ctx, vae, latent))


def test_sides_are_cropped_around_the_centre_and_alpha_dropped(ctx: Context, vae: Vae) -> None:
    pixels = picture(19, 29, channels=4)
    assert torch.equal(vaes.encode(ctx, vae, pixels), vaes.encode(ctx, vae, pixels[:, 1:17, 2:26, :3]))


def test_a_crop_is_told(vae: Vae) -> None:
    events: list[Event] = []
    ctx = Context(Folders(), ModelStore("cpu"), log=EventLog(events.append))
    assert vaes.encode(ctx, vae, picture(96, 128)).shape == (1, 4, 12, 16)
    assert not any(isinstance(event, NodeNote) for event in events)
    assert vaes.encode(ctx, vae, picture(101, 130)).shape == (1, 4, 12, 16)
    assert [event.message for event in events if isinstance(event, NodeNote)] == [
        "the picture of 130x101 px is cropped to 128x96, around its centre, for the VAE's cells"
    ]


def test_batches_are_the_same_as_one_by_one(ctx: Context, vae: Vae) -> None:
    pixels = picture(16, 16, batch=3)
    latent = vaes.encode(ctx, vae, pixels)
    assert latent.shape == (3, 4, 2, 2)
    assert torch.equal(latent[1:2], vaes.encode(ctx, vae, pixels[1:2]))
    decoded = vaes.decode(ctx, vae, latent)
    assert decoded.shape == (3, 16, 16, 3)
    assert torch.equal(decoded[2:], vaes.decode(ctx, vae, latent[2:]))
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_inputs_are_not_written_to(ctx: Context, vae: Vae) -> None:
    pixels = picture(16, 16)
    latent = torch.randn(1, 4, 2, 2)
    before = pixels.clone(), latent.clone()
    vaes.encode(ctx, vae, pixels)
    vaes.encode_tiled(ctx, vae, pixels, tile_px=64, overlap_px=16)
    vaes.decode(ctx, vae, latent)
    assert torch.equal(pixels, before[0])
    assert torch.equal(latent, before[1])


def test_pixel_space_is_the_identity(ctx: Context) -> None:
    pixels = picture(7, 9)
    latent = vaes.encode(ctx, pixel_space(), pixels)
    assert latent.shape == (1, 3, 7, 9)
    assert torch.allclose(vaes.decode(ctx, pixel_space(), latent), pixels, atol=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precisions_stay_near(models_dir: Path, vae: Vae, ctx: Context, precision: str) -> None:
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    exact = vaes.decode(ctx, vae, latent)
    rough = vaes.decode(Context(Folders(), ModelStore("cpu", precision)), vae, latent)
    assert rough.dtype == torch.float32
    assert distance(rough, exact) < (0.02 if precision == "bfloat16" else 1e-6)


class TestTiles:
    def test_one_tile_is_the_whole(self, ctx: Context, vae: Vae) -> None:
        latent = torch.randn(1, 4, 4, 4)
        tiled = vaes.decode_tiled(ctx, vae, latent, tile_px=64, overlap_px=16)
        assert torch.allclose(tiled, vaes.decode(ctx, vae, latent), atol=1e-6)

    def test_shapes_with_partial_tiles(self, ctx: Context, vae: Vae) -> None:
        latent = torch.randn(2, 4, 9, 19)
        assert vaes.decode_tiled(ctx, vae, latent, tile_px=64, overlap_px=16).shape == (2, 72, 152, 3)
        pixels = picture(77, 151)
        assert vaes.encode_tiled(ctx, vae, pixels, tile_px=64, overlap_px=16).shape == (1, 4, 9, 18)

    def test_overlap_larger_than_a_tile_is_cut(self, ctx: Context, vae: Vae) -> None:
        latent = torch.randn(1, 4, 12, 12)
        large = vaes.decode_tiled(ctx, vae, latent, tile_px=64, overlap_px=4096)
        assert torch.equal(large, vaes.decode_tiled(ctx, vae, latent, tile_px=64, overlap_px=16))

    def test_progress_counts_every_tile(self, vae: Vae) -> None:
        events: list[Any] = []
        ctx = Context(Folders(), ModelStore("cpu"), log=EventLog(events.append))
        vaes.decode_tiled(ctx, vae, torch.randn(1, 4, 12, 12), tile_px=64, overlap_px=16)
        progress = [event for event in events if isinstance(event, NodeProgress)]
        assert [event.value for event in progress] == list(range(1, progress[-1].total + 1))

    def test_cancelling(self, ctx: Context, vae: Vae) -> None:
        ctx.cancel.cancel()
        for call in (vaes.decode, lambda *given: vaes.decode_tiled(*given, tile_px=64, overlap_px=16)):
            with pytest.raises(Cancelled):
                call(ctx, vae, torch.randn(1, 4, 12, 12))

    @given(
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        tile=st.tuples(st.integers(8, 24), st.integers(8, 24)),
        overlap=st.integers(0, 7),
        scale=st.sampled_from([1, 2, 8]),
    )
    def test_blending_leaves_a_local_function_unchanged(
        self, height: int, width: int, tile: tuple[int, int], overlap: int, scale: int
    ) -> None:
        whole = torch.randn(2, 3, height, width)
        calls = 0

        def run(part: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return part.repeat_interleave(scale, 2).repeat_interleave(scale, 3) * 3

        tiles = Tiles(tile, (overlap, overlap))
        blended = blend_tiles(run, whole, tiles, (evenly(scale), evenly(scale)))
        assert torch.allclose(blended, run(whole), atol=1e-4)
        assert calls - 1 == tiles.count(whole)

    def test_weights_rise_over_the_overlap(self) -> None:
        """Two tiles of 4 over 6 pixels, overlap 2: the second counts 1/2 then 1, the first 1 then 1/2."""
        values = iter((torch.zeros(1, 1, 1, 4), torch.ones(1, 1, 1, 4)))
        tiles = Tiles((1, 4), (2, 2))
        blended = blend_tiles(lambda _part: next(values), torch.zeros(1, 1, 1, 6), tiles, (evenly(1), evenly(1)))
        expected = torch.tensor([0, 0, 0.5 / 1.5, 1 / 1.5, 1, 1])
        assert torch.allclose(blended.flatten(), expected)


class TestFilms:
    """Each step of the latent stands for four frames, the first for one."""

    SPACE = LatentSpace(1, dims=3, factors=(4, 8, 8))

    @given(steps=st.integers(1, 12), size=st.integers(2, 5), overlap=st.integers(1, 2))
    def test_tiles_in_time_meet_frame_by_frame(self, steps: int, size: int, overlap: int) -> None:
        film = torch.arange(float(steps)).view(1, 1, steps, 1, 1).expand(-1, -1, -1, 2, 3)

        def run(part: Tensor) -> Tensor:
            first = part[:, :, 0, 0, 0]
            frames = torch.arange(part.shape[2] * 4 - 3) + 4 * first
            return frames.view(1, 1, -1, 1, 1).expand(-1, -1, -1, part.shape[3] * 8, part.shape[4] * 8)

        blended = blend_tiles(run, film, Tiles((size, 9, 9), (min(overlap, size // 2), 2, 2)), decoded(self.SPACE))
        assert blended.shape == (1, 1, steps * 4 - 3, 16, 24)
        assert torch.allclose(blended[0, 0, :, 0, 0], torch.arange(steps * 4 - 3.0), atol=1e-4)

    @given(frames=st.integers(0, 9), size=st.integers(2, 5), overlap=st.integers(1, 2))
    def test_tiles_in_time_are_encoded_step_by_step(self, frames: int, size: int, overlap: int) -> None:
        film = torch.arange(frames * 4 + 1.0).view(1, 1, -1, 1, 1).expand(-1, -1, -1, 16, 24)
        tiles = Tiles((size * 4 - 3, 99, 99), (min(overlap, size // 2) * 4 - 3, 8, 8))
        blended = blend_tiles(lambda part: part[:, :, ::4, ::8, ::8], film, tiles, encoded(self.SPACE))
        assert blended.shape == (1, 1, frames + 1, 2, 3)
        assert torch.allclose(blended[0, 0, :, 0, 0], torch.arange(0, frames * 4 + 1.0, 4), atol=1e-4)

    @pytest.mark.parametrize(
        ("frames", "overlap", "steps"), [(64, 8, (16, 2)), (8, 4, (2, 1)), (8, 64, (2, 1)), (16, 12, (4, 1))]
    )
    def test_a_tiles_frames_are_whole_steps(self, frames: int, overlap: int, steps: tuple[int, int]) -> None:
        assert vaes.TimeTiles(frames, overlap).steps(4) == steps


class TestMemoryShortage:
    def test_falls_back_to_tiles(self, ctx: Context, vae: Vae, monkeypatch: pytest.MonkeyPatch) -> None:
        latent = torch.randn(1, 4, 12, 12)
        pixels = picture(96, 96)
        expected = vaes.decode_tiled(ctx, vae, latent, tile_px=64, overlap_px=16)
        encoded = vaes.encode_tiled(ctx, vae, pixels, tile_px=64, overlap_px=16)
        monkeypatch.setattr(vaes, "FALLBACK_TILE_PX", 64)
        monkeypatch.setattr(vaes, "FALLBACK_DECODE_OVERLAP_PX", 16)
        monkeypatch.setattr(vaes, "FALLBACK_ENCODE_OVERLAP_PX", 16)
        with ctx.models.lease(vae.weights) as network:
            fail_above(monkeypatch, network, "decode", 128)
            fail_above(monkeypatch, network, "encode", 128 * 64)
            assert torch.equal(vaes.decode(ctx, vae, latent), expected)
            assert torch.equal(vaes.encode(ctx, vae, pixels), encoded)

    def test_not_even_a_tile(self, ctx: Context, vae: Vae, monkeypatch: pytest.MonkeyPatch) -> None:
        with ctx.models.lease(vae.weights) as network:
            fail_above(monkeypatch, network, "decode", 0)
            with pytest.raises(DeviceMemoryExhausted, match="smaller tiles"):
                vaes.decode(ctx, vae, torch.randn(1, 4, 12, 12))


def fail_above(monkeypatch: pytest.MonkeyPatch, network: Any, method: str, pixels: int) -> None:
    """Let the network run out of memory where its input has more than ``pixels`` pixels."""
    plain = getattr(network, method)

    def run(tensor: Tensor) -> Any:
        if tensor.shape[2] * tensor.shape[3] > pixels:
            raise torch.OutOfMemoryError
        return plain(tensor)

    monkeypatch.setattr(network, method, run)


class TestBadInput:
    def test_latents_of_another_family(self, ctx: Context, vae: Vae) -> None:
        with pytest.raises(InputInvalid, match="4 channels"):
            vaes.decode(ctx, vae, torch.zeros(1, 16, 4, 4))

    def test_a_picture_that_is_too_small(self, ctx: Context, vae: Vae) -> None:
        with pytest.raises(InputInvalid, match="too small"):
            vaes.encode(ctx, vae, picture(7, 64))

    def test_empty_batches(self, ctx: Context, vae: Vae) -> None:
        with pytest.raises(InputInvalid, match="empty"):
            vaes.encode(ctx, vae, torch.zeros(0, 16, 16, 3))
        with pytest.raises(InputInvalid, match="empty"):
            vaes.decode(ctx, vae, torch.zeros(0, 4, 2, 2))

    def test_a_file_that_is_no_vae(self, tmp_path: Path) -> None:
        save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors")
        with pytest.raises(ModelUnreadable, match="no VAE"):
            load_vae(tmp_path / "m.safetensors")

    def test_an_incomplete_vae(self, tmp_path: Path, models_dir: Path) -> None:
        view = WeightFile(models_dir / "checkpoints" / "tiny_sd15.safetensors").view("first_stage_model.")
        name = "decoder.up.1.block.0.conv1.weight"
        save_file({key: tensor for key, tensor in view.items() if key != name}, tmp_path / "m.safetensors")
        opened = load_vae(tmp_path / "m.safetensors")
        with pytest.raises(ModelUnreadable, match=r"lacks tensor 'decoder\.up_blocks\.2\.resnets\.0\.conv1\.weight'"):
            opened.weights.build()


def test_a_checkpoints_vae_and_the_same_file_are_one_network(models_dir: Path, tmp_path: Path) -> None:
    path = models_dir / "checkpoints" / "tiny_sd15.safetensors"
    save_file(dict(WeightFile(path).view("first_stage_model.")), tmp_path / "vae.safetensors")
    own = load_vae(tmp_path / "vae.safetensors")
    embedded = load_checkpoint(path).vae
    assert embedded is not None
    assert own.weights.key == embedded.weights.key
