"""Nodes that only ACE-Step 1.5 has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import lazy_loader as lazy

from engine.context import Context
from engine.errors import InputInvalid
from engine.inputs import MAX_SEED, Bool, Choice, Float, Int, Prompt, Shown
from engine.registry import node
from nodes import memory
from nodes.families.ace_step15 import SPACE
from nodes.families.ace_step15.song import CodesWanted, Draft, Song
from nodes.values import Clip, Conditioning, Latent

if TYPE_CHECKING:
    import torch
else:
    torch = lazy.load("torch")

RATE_HZ = 48000
_LANGUAGES = (
    "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr", "ht", "hu",
    "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl", "pt", "ro", "ru", "sa", "sk", "sr",
    "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "yue", "zh", "unknown",
)  # fmt: skip
_ROOTS = ("C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B")
_KEYS = tuple(f"{root} {mode}" for mode in ("major", "minor") for root in _ROOTS)
_Folded = Shown(advanced=True)
_Limit = Int(min=0, max=100)


@node("TextEncodeAceStepAudio1.5", category="model/conditioning/ace")
def encode_song(
    ctx: Context,
    *,
    clip: Clip,
    tags: Prompt,
    lyrics: Prompt,
    seed: Annotated[int, Int(min=0, max=MAX_SEED, control_after_generate=True)] = 0,
    bpm: Annotated[int, Int(min=10, max=300)] = 120,
    duration: Annotated[float, Float(min=0.0, max=2000.0, step=0.1)] = 120.0,
    timesignature: Annotated[str, Choice("2", "3", "4", "6")],
    language: Annotated[str, Choice(*_LANGUAGES)] = "en",
    keyscale: Annotated[str, Choice(*_KEYS)],
    generate_audio_codes: Annotated[bool, Bool(), _Folded] = True,
    cfg_scale: Annotated[float, Float(min=0.0, max=100.0, step=0.1), _Folded] = 2.0,
    temperature: Annotated[float, Float(min=0.0, max=2.0, step=0.01), _Folded] = 0.85,
    top_p: Annotated[float, Float(min=0.0, max=2000.0, step=0.01), _Folded] = 0.9,
    top_k: Annotated[int, _Limit, _Folded] = 0,
    min_p: Annotated[float, Float(min=0.0, max=1.0, step=0.001), _Folded] = 0.0,
) -> Conditioning:
    """A song by its tags, lyrics, tempo, bar, language and key; a language model writes five codes a second of it.

    The codes depend on ``seed``. Leave them out where a sound is given for reference.
    """
    if clip.family.name != "ace_step15":
        raise InputInvalid(
            f"this CLIP is of {clip.family.title}, not of ACE-Step 1.5",
            input="clip",
            remedy="load Qwen3 0.6B and ACE-Step 1.5's language model by DualCLIPLoader",
        )
    song = Song(tags, lyrics, language, duration, bpm, int(timesignature), keyscale)
    wanted = CodesWanted(generate_audio_codes, Draft(seed, cfg_scale, temperature, top_p, top_k, min_p))
    text: Any = clip.family.text
    folders = ctx.folders.of_kind("embeddings")
    return Conditioning((text.encode_song(ctx.models, clip, song, wanted, folders, ctx.progress),))


@node(
    "EmptyAceStep1.5LatentAudio",
    category="model/latent/ace",
    display_name="Empty Ace Step 1.5 Latent Audio",
    memory=memory.empty_sound(SPACE.channels, RATE_HZ / SPACE.factors[2]),
)
def empty_latent(
    ctx: Context,
    *,
    seconds: Annotated[float, Float(min=1.0, max=1000.0, step=0.01)] = 120.0,
    batch_size: Annotated[int, Int(min=1, max=4096)] = 1,
) -> Latent:
    """Zeros to denoise: float[batch, 64, cells], 25 cells a second."""
    cells = round(seconds * RATE_HZ / SPACE.factors[2])
    return Latent(torch.zeros(batch_size, SPACE.channels, cells), space=SPACE)


@node("ReferenceTimbreAudio", category="model/conditioning", display_name="Set Reference Audio", experimental=True)
def set_reference(ctx: Context, *, conditioning: Conditioning, latent: Latent | None = None) -> Conditioning:
    """The song as a cover of an encoded sound, with its timbre, instead of by codes."""
    if latent is None:
        return conditioning
    return conditioning.appended(reference_audio_timbre_latents=latent.samples)
