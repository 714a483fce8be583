"""ACE-Step 1.5 apart from what recorded workflows show: covers, songs without codes, how codes are drawn, its VAE.

``ace_step15.safetensors`` has what ComfyUI 0.33.0's classes made of the same numbers: every tenth cell of a step, every
200th sample of a sound decoded in tiles, every third cell of an encoded one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.context import Context
from engine.errors import InputInvalid
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.types import Audio
from nodes import builtin_registry
from nodes.diffusion.weights import WeightFile
from nodes.families.ace_step15 import codes, denoiser
from nodes.families.ace_step15.silence import silence
from nodes.families.ace_step15.song import Draft, Song
from nodes.hooks import Call
from nodes.values import Latent, Vae
from tests.reference.families import models
from tests.reference.recorded import distance

REGISTRY = builtin_registry()
RECORDED = load_file(Path(__file__).with_name("ace_step15.safetensors"))
CASE = Path(models.__file__).parent / "ace_step15"
CELLS = 301  # so many that half of the layers do not see all of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {"tiny_acestep_v1.5.safetensors", "tiny_ace15_vae.safetensors"}
    return models.write(CASE / "models.json.xz", tmp_path_factory.mktemp("ace"), names)


@pytest.fixture(scope="module")
def ctx(folder: Path) -> Context:
    folders = Folders(model_folders([folder]), folder / "input", output=folder / "output", temp=folder / "temp")
    return Context(folders, ModelStore("cpu", precision="float32"))


@pytest.fixture(scope="module")
def vae(ctx: Context) -> Vae:
    loaded: Vae = REGISTRY["VAELoader"].run(ctx, vae_name="tiny_ace15_vae.safetensors")
    return loaded


def drawn() -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    sizes = {"x": (1, 64, CELLS), "context": (1, 7, 64), "lyrics": (1, 150, 64), "sound": (1, 64, CELLS)}
    found = {name: torch.randn(size, generator=source) for name, size in sizes.items()}
    return found | {"codes": torch.randint(0, 64000, (1, 20), generator=source)}


@pytest.mark.parametrize("case", ["codes", "plain", "cover", "null"])
def test_a_step_with_codes_without_as_a_cover_and_without_words(ctx: Context, folder: Path, case: str) -> None:
    model = denoiser.load(WeightFile(folder / "diffusion_models" / "tiny_acestep_v1.5.safetensors").view(""))
    given = drawn()
    inputs: dict[str, Any] = {"context": given["context"], "lyrics": given["lyrics"], "timbre": silence(CELLS)}
    inputs |= {"cover": case == "cover", "silent": case == "null"}
    inputs |= {"codes": {"codes": given["codes"]}, "cover": {"timbre": given["sound"]}}.get(case, {})
    with torch.no_grad(), ctx.models.lease(model.weights) as module:
        made = denoiser.step(module, given["x"], torch.tensor([0.7]), inputs, Call())
    assert distance(made[..., ::10], RECORDED[case]) < 1e-5


def test_the_latent_of_silence() -> None:
    assert silence(750).shape == (1, 64, 750)
    assert torch.equal(silence(2), silence(750)[..., :2])
    assert silence(750)[..., 4:].unique(dim=-1).shape[-1] == 1


def test_a_sound_is_decoded_in_tiles_and_encoded_as_by_comfyui(ctx: Context, vae: Vae) -> None:
    samples = Latent(load_file(CASE / "outputs.safetensors")["ace15_t2a/samples"])
    tiled = REGISTRY["VAEDecodeAudioTiled"].run(ctx, samples=samples, vae=vae, tile_size=32, overlap=8)
    assert tiled.sample_rate_hz == 48000
    assert distance(tiled.waveform[..., ::200], RECORDED["tiled"]) < 1e-5
    wave = 0.3 * torch.sin(torch.arange(48000) * torch.tensor([[0.05], [0.031]]))[None]
    encoded = REGISTRY["VAEEncodeAudio"].run(ctx, audio=Audio(wave, 48000), vae=vae).samples
    assert encoded.shape == (1, 64, 25)
    assert distance(encoded[:, :, ::3], RECORDED["encoded"]) < 1e-5


def test_sounds_of_other_rates_and_of_one_channel_are_encoded(ctx: Context, vae: Vae) -> None:
    encode = REGISTRY["VAEEncodeAudio"].run
    mono = Audio(torch.rand(1, 1, 24000) - 0.5, 24000)
    assert encode(ctx, audio=mono, vae=vae).samples.shape == (1, 64, 25)
    for audio, says in (
        (Audio(torch.zeros(1, 6, 48000), 48000), "has 6 channels, and the VAE takes 2"),
        (Audio(torch.zeros(1, 2, 1000), 48000), r"shorter than 0.04 s"),
        (None, "there is no sound to encode"),
    ):
        with pytest.raises(InputInvalid, match=says) as caught:
            encode(ctx, audio=audio, vae=vae)
        assert (caught.value.input, bool(caught.value.remedy)) == ("audio", True)


def test_pictures_and_sounds_are_not_taken_for_each_other(ctx: Context, vae: Vae) -> None:
    with pytest.raises(InputInvalid, match=r"Oobleck\) is for sound, not for pictures"):
        REGISTRY["VAEDecode"].run(ctx, samples=Latent(torch.zeros(1, 4, 8, 8)), vae=vae)
    with pytest.raises(InputInvalid, match=r"sounds of 64 channels and was given shape \(1, 4, 8, 8\)"):
        REGISTRY["VAEDecodeAudio"].run(ctx, samples=Latent(torch.zeros(1, 4, 8, 8)), vae=vae)
    with pytest.raises(InputInvalid, match="there is no latent to decode"):
        REGISTRY["VAEDecodeAudio"].run(ctx, samples=Latent(torch.zeros(1, 64, 0)), vae=vae)


def test_what_the_writer_of_codes_is_asked() -> None:
    song = Song(" rock ", "la la\n", "en", 1.2, 120, 4, "E minor")
    assert song.asked(with_facts=True).endswith(
        "# Caption\nrock\n\n# Lyric\nla la\n<|im_end|>\n<|im_start|>assistant\n"
        "<think>\nbpm: 120\nduration: 2\nkeyscale: E minor\ntimesignature: 4\n</think>\n\n<|im_end|>\n"
    )
    assert "<think>\n\n</think>" in song.asked(with_facts=False)
    assert "- bpm: 120\n- timesignature: 4\n- keyscale: E minor\n- duration: 2 seconds\n" in song.caption()
    assert "- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: 120 seconds\n" in Song("rock").caption()


def test_how_codes_are_drawn() -> None:
    scores = torch.tensor([0.0, 3.0, 2.9, 1.0]).repeat(16000)[:64000].clone()
    scores[7] = 9.0
    source = torch.Generator().manual_seed(3)

    def draw(**how: Any) -> int:
        return codes._draw(scores, Draft(**how), 217204, source)

    assert {draw(temperature=0.0), draw(top_k=1, top_p=1.0), draw(min_p=0.9, top_p=1.0), draw(top_p=1e-6)} == {7}
    assert len({draw(temperature=2.0, top_p=1.0) for _ in range(20)}) > 10


@pytest.mark.parametrize(("seconds", "cells"), [(1.0, 25), (2.01, 50), (120.0, 3000)])
def test_empty_latents(ctx: Context, seconds: float, cells: int) -> None:
    made = REGISTRY["EmptyAceStep1.5LatentAudio"].run(ctx, seconds=seconds, batch_size=2)
    assert made.samples.shape == (2, 64, cells)
    assert REGISTRY["EmptyLatentAudio"].run(ctx, seconds=47.6).samples.shape == (1, 64, 1024)
