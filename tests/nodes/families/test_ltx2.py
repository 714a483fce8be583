"""LTX-2 apart from what recorded cases show: film and sound as one latent, a film alone, long prompts, its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers.pipelines.ltx2.latent_upsampler import LTX2LatentUpsamplerModel
from safetensors.torch import save_file

from engine.context import Context
from engine.errors import InputInvalid, ModelUnreadable
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from nodes import builtin_registry
from nodes.diffusion import sampling
from nodes.diffusion.fitting import fit_latent
from nodes.diffusion.language.gemma3 import WINDOW, _window
from nodes.diffusion.rotary import rotate_each, rotate_halves
from nodes.families.found import families
from nodes.families.ltx2.sound import places_of_sound
from nodes.sampling_values import Sampler
from nodes.values import Cond, Conditioning, Latent
from tests.reference.families import models

REGISTRY = builtin_registry()
BOOK = Path(models.__file__).parent / "ltx2" / "models.json.xz"
FILM, SOUND = torch.zeros(1, 128, 2, 2, 2), torch.ones(1, 8, 5, 16)


def made(name: str, ctx: Any = None, **inputs: Any) -> Any:
    return REGISTRY[name].run(cast(Context, ctx), **inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {"tiny_ltx2.safetensors", "tiny_gemma3_12b.safetensors"}
    return models.write(BOOK, tmp_path_factory.mktemp("ltx2"), names)


@pytest.fixture
def ltx2(folder: Path, ctx: Context) -> Context:
    folders = Folders(model_folders([folder]), ctx.folders.input, ctx.folders.output, ctx.folders.temp)
    return replace(ctx, folders=folders, models=ModelStore("cpu", precision="float32"))


def test_film_and_sound_are_joined_and_taken_apart() -> None:
    mask = torch.zeros(1, 1, 2, 1, 1)
    whole = made("LTXVConcatAVLatent", video_latent=Latent(FILM, noise_mask=mask), audio_latent=Latent(SOUND))
    assert [part.samples.shape[1] for part in whole.parts] == [128, 8]
    film, sound = made("LTXVSeparateAVLatent", av_latent=whole)
    assert torch.equal(film.samples, FILM) and film.noise_mask is mask and not film.others
    assert torch.equal(sound.samples, SOUND) and sound.noise_mask is None


@pytest.mark.parametrize("rows", [3, 5, 8])
def test_a_sound_that_takes_anothers_place_is_as_long_as_it(rows: int) -> None:
    before = Latent(FILM, others=(Latent(SOUND * 2),))
    given = Latent(torch.ones(1, 8, rows, 16), noise_mask=torch.zeros(1, 1, rows, 16))
    whole = made("LTXVConcatAVLatent", video_latent=before, audio_latent=given)
    sound = whole.others[0]
    assert sound.samples.shape == SOUND.shape and sound.noise_mask.shape[2] == 5
    kept = min(rows, 5)
    assert bool((sound.samples[:, :, :kept] == 1).all()) and not sound.samples[:, :, kept:].any()
    assert not sound.noise_mask[:, :, :kept].any() and bool((sound.noise_mask[:, :, kept:] == 1).all())


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(InputInvalid, match="1 films and 2 sounds"):
        made("LTXVConcatAVLatent", video_latent=Latent(FILM), audio_latent=Latent(SOUND.repeat(2, 1, 1, 1)))
    other = Latent(FILM, others=(Latent(SOUND),))
    with pytest.raises(InputInvalid, match="does not take the place"):
        made("LTXVConcatAVLatent", video_latent=other, audio_latent=Latent(torch.ones(1, 4, 5, 16)))
    with pytest.raises(InputInvalid, match="film or of sound alone"):
        made("LTXVSeparateAVLatent", av_latent=Latent(FILM))
    with pytest.raises(InputInvalid, match="sound beside its film"):
        fit_latent(other, families()["ltx"].space)
    with pytest.raises(InputInvalid, match="part of the latent has 8 channels"):
        fit_latent(Latent(SOUND, others=(Latent(FILM),)), families()["ltx2"].space)


def test_silence_is_as_long_as_the_film(ltx2: Context) -> None:
    vae = made("LTXVAudioVAELoader", ltx2, ckpt_name="tiny_ltx2.safetensors")
    latent = made("LTXVEmptyLatentAudio", frames_number=97, frame_rate=24, batch_size=2, audio_vae=vae)
    assert latent.samples.shape == (2, 8, 101, 16)
    with pytest.raises(InputInvalid, match="given shape"):
        made("LTXVAudioVAEDecode", ltx2, samples=Latent(FILM), audio_vae=vae)
    assert vae.sample_rate_hz == 24_000
    with pytest.raises(InputInvalid, match="is for sound, not for pictures"):
        made("VAEDecode", ltx2, samples=latent, vae=vae)
    pictures = made("CheckpointLoaderSimple", ltx2, ckpt_name="tiny_ltx2.safetensors").VAE
    for name, inputs in (("LTXVAudioVAEDecode", {"samples": latent}), ("LTXVEmptyLatentAudio", {})):
        with pytest.raises(InputInvalid, match="this is a LTX-Video VAE") as caught:
            made(name, ltx2, audio_vae=pictures, **inputs)
        assert caught.value.input == "audio_vae"


def test_a_file_without_a_sound_vae_is_told(ltx2: Context, models_dir: Path) -> None:
    folders = Folders(model_folders([models_dir]), ltx2.folders.input, ltx2.folders.output, ltx2.folders.temp)
    with pytest.raises(ModelUnreadable, match="holds no sound VAE") as caught:
        made("LTXVAudioVAELoader", replace(ltx2, folders=folders), ckpt_name="tiny_sd15.safetensors")
    assert caught.value.input == "ckpt_name"


def test_a_film_is_drawn_without_sound_too(ltx2: Context) -> None:
    model = made("CheckpointLoaderSimple", ltx2, ckpt_name="tiny_ltx2.safetensors").MODEL
    clip = made(
        "LTXAVTextEncoderLoader",
        ltx2,
        text_encoder="tiny_gemma3_12b.safetensors",
        ckpt_name="tiny_ltx2.safetensors",
        device="default",
    )
    prompt = made("CLIPTextEncode", ltx2, clip=clip, text="a red fox")
    guider = made("CFGGuider", ltx2, model=model, positive=prompt, negative=prompt, cfg=1.0)
    levels = torch.tensor([1.0, 0.5, 0.0])
    film = sampling.sample(ltx2, guider, Sampler("euler"), levels, Latent(FILM), noise_seed=1, seed=1).output
    assert film.samples.shape == FILM.shape and not film.others and bool(film.samples.isfinite().all())
    whole = Latent(FILM, others=(Latent(SOUND),))
    both = sampling.sample(ltx2, guider, Sampler("euler"), levels, whole, noise_seed=1, seed=1).output
    assert both.others[0].samples.shape == SOUND.shape
    assert not torch.allclose(both.samples, film.samples)  # the film hears its sound


def test_places_of_sound_are_in_seconds() -> None:
    places = places_of_sound(3, torch.device("cpu"))[0, 0]
    assert places.flatten().tolist() == pytest.approx([0.0, 0.01, 0.01, 0.05, 0.05, 0.09])


def test_halves_turn_as_neighbours_do() -> None:
    heads = torch.randn(1, 3, 2, 8, generator=torch.Generator().manual_seed(0))
    turns = torch.polar(torch.ones(3, 2, 4), torch.arange(24.0).reshape(3, 2, 4))
    mixed = heads.unflatten(-1, (4, 2)).transpose(-1, -2).flatten(-2)
    turned = rotate_halves(mixed, turns).unflatten(-1, (2, 4)).transpose(-1, -2).flatten(-2)
    assert torch.allclose(turned, rotate_each(heads, turns), atol=1e-6)


def test_most_layers_look_back_on_a_window() -> None:
    device = torch.device("cpu")
    assert _window(WINDOW, device) is None
    seen = _window(WINDOW + 2, device)
    assert seen is not None and int(seen[0, 0, -1].sum()) == WINDOW and int(seen[0, 0, 5].sum()) == 6


def test_film_and_sound_are_guided_by_scales_of_their_own(ltx2: Context) -> None:
    model = made("CheckpointLoaderSimple", ltx2, ckpt_name="tiny_ltx2.safetensors").MODEL
    source = torch.Generator().manual_seed(0)
    prompts = [Conditioning((Cond(torch.randn(1, 4, 64, generator=source)),)) for _ in range(2)]
    given = {"model": model, "positive": prompts[0], "negative": prompts[1]}
    levels = torch.tensor([1.0, 0.0])
    whole = Latent(FILM, others=(Latent(torch.zeros_like(SOUND)),))

    def drawn(guider: Any, latent: Latent) -> Latent:
        return sampling.sample(ltx2, guider, Sampler("euler"), levels, latent, noise_seed=1, seed=1).output

    both = drawn(made("LTXVDualCFGGuider", **given, video_cfg=3.0, audio_cfg=1.0), whole)
    strong, plain = (drawn(made("CFGGuider", **given, cfg=cfg), whole) for cfg in (3.0, 1.0))
    assert torch.allclose(both.samples, strong.samples, atol=1e-5)
    assert torch.allclose(both.others[0].samples, plain.others[0].samples, atol=1e-5)
    assert not torch.allclose(strong.others[0].samples, plain.others[0].samples, atol=1e-2)
    alone = drawn(made("LTXVDualCFGGuider", **given, video_cfg=3.0, audio_cfg=1.0), Latent(FILM))
    assert torch.allclose(alone.samples, drawn(made("CFGGuider", **given, cfg=3.0), Latent(FILM)).samples)


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"spatial_upsample": True}, (3, 4, 6)),
        ({"spatial_upsample": True, "rational_resampler": True, "spatial_scale": 1.5}, (3, 3, 5)),
        ({"spatial_upsample": False, "temporal_upsample": True}, (5, 2, 3)),
    ],
)
def test_latents_are_enlarged(
    ltx2: Context, tmp_path: Path, config: dict[str, Any], size: tuple[int, int, int]
) -> None:
    rational = config.get("rational_resampler", False)
    network = LTX2LatentUpsamplerModel(
        mid_channels=32,
        num_blocks_per_stage=1,
        spatial_upsample=config["spatial_upsample"],
        temporal_upsample=config.get("temporal_upsample", False),
        use_rational_resampler=rational,
        rational_spatial_scale=config.get("spatial_scale", 2.0),
    )
    folder = tmp_path / "latent_upscale_models"
    folder.mkdir()
    save_file(network.state_dict(), folder / "up.safetensors", {"config": json.dumps(config)})
    vae = made("CheckpointLoaderSimple", ltx2, ckpt_name="tiny_ltx2.safetensors").VAE
    own = Folders(model_folders([tmp_path]), ltx2.folders.input, ltx2.folders.output, ltx2.folders.temp)
    there = replace(ltx2, folders=own)
    upscaler = made("LatentUpscaleModelLoader", there, model_name="up.safetensors")
    film = torch.randn(1, 128, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    found = made(
        "LTXVLatentUpsampler", there, samples=Latent(film, noise_mask=film[:, :1]), upscale_model=upscaler, vae=vae
    )
    assert found.samples.shape[2:] == size and found.noise_mask is None
    with ltx2.models.lease(vae.weights) as module, torch.no_grad():
        codec: Any = module
        means, deviations = (each.float()[:, None, None, None] for each in (codec.means, codec.deviations))
        expected = (network(film * deviations + means) - means) / deviations
    assert torch.allclose(found.samples, expected, atol=1e-4)
    with pytest.raises(InputInvalid, match="128 channels"):
        made("LTXVLatentUpsampler", there, samples=Latent(SOUND), upscale_model=upscaler, vae=vae)
