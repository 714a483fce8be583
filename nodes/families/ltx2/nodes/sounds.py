"""Sound beside a film: empty ones, film and sound as one latent and apart, latents to waves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import Count, Float, Int, Shown
from engine.registry import node
from engine.types import Audio
from nodes import diffusion
from nodes.values import Latent, Vae

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

CATEGORY = "model/latent/ltxv"
ROWS_PER_S, BANDS = 25, 16
"""Of a sound's latent: rows a second of 16 kHz, by frames of 160 samples, four a row; numbers in a row."""
SoundVaeInput = Annotated[Vae, Shown(display_name="Audio VAE")]


@node(
    "LTXVEmptyLatentAudio",
    category=CATEGORY,
    display_name="LTXV Empty Latent Audio",
    output_names=("Latent",),
)
def empty_sound(
    ctx: Context,
    *,
    frames_number: Annotated[int, Int(min=1, max=1000, step=1, display="number")] = 97,
    frame_rate: Annotated[float, Float(min=1.0, max=1000.0, step=0.01, display="number", also="INT")] = 25.0,
    batch_size: Count = 1,
    audio_vae: SoundVaeInput,
) -> Latent:
    """Silence to denoise, as long as a film of so many frames: float32[batch, 8, rows, 16]."""
    _check(audio_vae)
    rows = round(frames_number / frame_rate * ROWS_PER_S)
    return Latent(torch.zeros(batch_size, audio_vae.space.channels, rows, BANDS), space=audio_vae.space)


@node("LTXVConcatAVLatent", category=CATEGORY, display_name="Concat AV Latent", output_names=("latent",))
def join_sound(ctx: Context, *, video_latent: Latent, audio_latent: Latent) -> Latent:
    """A film and its sound as one latent, which are denoised together; a sound that the film has is replaced.

    Raises ``InputInvalid`` for batches of different sizes, or a sound of another form than the one that it replaces.
    """
    sound = replace(audio_latent, others=())
    if video_latent.others:
        sound = _as_long(sound, video_latent.others[0].samples)
    if video_latent.samples.shape[0] != sound.samples.shape[0]:
        raise InputInvalid(
            f"{video_latent.samples.shape[0]} films and {sound.samples.shape[0]} sounds do not go together",
            input="audio_latent",
            remedy="use the same batch_size for both",
        )
    return replace(video_latent, others=(sound, *video_latent.others[1:]))


class FilmAndItsSound(NamedTuple):
    """A film's latent and that of its sound."""

    video_latent: Latent
    audio_latent: Latent


@node("LTXVSeparateAVLatent", category=CATEGORY, display_name="Separate AV Latent")
def take_apart(ctx: Context, *, av_latent: Latent) -> FilmAndItsSound:
    """The latents of a film and of its sound. Raises ``InputInvalid`` for a latent without sound."""
    if not av_latent.others:
        raise InputInvalid(
            "this latent is of a film or of sound alone", input="av_latent", remedy="join both by LTXVConcatAVLatent"
        )
    return FilmAndItsSound(replace(av_latent, others=()), av_latent.others[0])


@node(
    "LTXVAudioVAEDecode",
    category=CATEGORY,
    display_name="LTXV Audio VAE Decode",
    output_names=("Audio",),
)
def decode_sound(ctx: Context, *, samples: Latent, audio_vae: SoundVaeInput) -> Audio:
    """The sound of a latent, or that of a film's."""
    _check(audio_vae)
    sound = samples.parts[-1].samples
    space = audio_vae.space
    if sound.ndim != 4 or sound.shape[1] != space.channels:
        raise InputInvalid(
            f"this VAE decodes sounds of {space.channels} channels and was given shape {tuple(sound.shape)}",
            input="samples",
            remedy="give the latent of a sound, or of a film with its sound",
        )
    with torch.no_grad(), ctx.models.lease(audio_vae.weights) as lent:
        module: Any = lent
        return Audio(audio_vae.kind.part.decode(module, sound), module.rate_hz)


def _check(vae: Vae) -> None:
    if vae.kind.name != "ltx2_sound":
        raise InputInvalid(f"this is a {vae.kind.title}", input="audio_vae", remedy="load one by LTXVAudioVAELoader")


def _as_long(sound: Latent, like: Tensor) -> Latent:
    """``sound`` cut to the rows of ``like``, or with zeros behind it that are denoised."""
    samples, mask = sound.samples, sound.noise_mask
    if samples.shape == like.shape:
        return sound
    if samples.ndim != 4 or samples.shape[:2] != like.shape[:2] or samples.shape[3:] != like.shape[3:]:
        raise InputInvalid(
            f"a sound of shape {tuple(samples.shape)} does not take the place of one of {tuple(like.shape)}",
            input="audio_latent",
            remedy="use the sound VAE of the same model",
        )
    if mask is not None:
        mask = diffusion.fitting.fit_noise_mask(mask, samples.shape)
    missing = like.shape[2] - samples.shape[2]
    if missing <= 0:
        return replace(
            sound,
            samples=samples[:, :, : like.shape[2]],
            noise_mask=None if mask is None else mask[:, :, : like.shape[2]],
        )
    behind = samples.new_zeros(*samples.shape[:2], missing, samples.shape[3])
    if mask is not None:
        mask = torch.cat([mask, torch.ones_like(behind)], dim=2)
    return replace(sound, samples=torch.cat([samples, behind], dim=2), noise_mask=mask)
