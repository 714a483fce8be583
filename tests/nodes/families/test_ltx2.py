"""LTX-2 apart from what recorded cases show: film and sound as one latent, a film alone, long prompts, its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

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
from nodes.values import Latent
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
