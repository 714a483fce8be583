"""Texts that language models write: those that are loaded as text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from engine.context import Context
from engine.inputs import MAX_SEED, Bool, DynamicChoice, Float, Given, Int, Prompt, Shown
from engine.registry import node
from engine.types import Audio, Image
from nodes import diffusion
from nodes.text import fingerprints
from nodes.values import Clip

if TYPE_CHECKING:
    from nodes.diffusion.language.token_choice import TokenSampling

_Part = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
_Penalty = Annotated[float, Float(min=0.0, max=5.0, step=0.01)]
_DRAWN: Mapping[str, Given] = {
    "temperature": Given(Annotated[float, Float(min=0.01, max=2.0, step=0.000001)], 0.7),
    "top_k": Given(Annotated[int, Int(min=0, max=1000)], 64),
    "top_p": Given(_Part, 0.95),
    "min_p": Given(_Part, 0.05),
    "repetition_penalty": Given(_Penalty, 1.05),
    "seed": Given(Annotated[int, Int(min=0, max=MAX_SEED)], 0),
    "presence_penalty": Given(Annotated[float, Float(min=0.0, max=5.0, step=0.01, optional=True)], 0.0),
}
SamplingMode = Annotated[
    Mapping[str, Any], DynamicChoice({"on": _DRAWN, "off": {}}), Shown(display_name="Sampling Mode")
]


def _embeddings(ctx: Context, prompt: str | None = None, **_: object) -> list[str]:
    return fingerprints(ctx, prompt)


@node(
    "TextGenerate",
    category="text",
    display_name="Generate Text",
    output_names=("generated_text",),
    search_aliases=("LLM", "gemma"),
    fingerprint=_embeddings,
)
def generate(
    ctx: Context,
    *,
    clip: Clip,
    prompt: Prompt = "",
    image: Image | None = None,
    video: Image | None = None,
    audio: Audio | None = None,
    max_length: Annotated[int, Int(min=1, max=32768)] = 512,
    sampling_mode: SamplingMode,
    thinking: Annotated[bool, Bool(optional=True)] = False,
    use_default_template: Annotated[bool, Bool(optional=True), Shown(advanced=True)] = True,
) -> str:
    """What the language model in ``clip`` answers to a prompt, at most ``max_length`` tokens.

    It is asked in the form of messages that its family has. ``sampling_mode`` off always takes the likeliest token, on
    draws among the likely ones. What the model cannot see or hear is left out, with a note.
    """
    writing = diffusion.language.writing
    writer = writing.writer_of(clip)
    for name, value in (("image", None if writer.sees else image), ("video", video), ("audio", audio)):
        if value is not None:
            ctx.note(f"{name} is left out: the text encoder of {clip.family.title} takes none")
    pictures = tuple(image.pixels[..., :3]) if image is not None and writer.sees else ()
    asked = writing.Asked(prompt, pictures, ctx.folders.of_kind("embeddings"))
    return writing.write(ctx.models, clip, asked, max_length, _drawing(sampling_mode), ctx.progress)


def _drawing(mode: Mapping[str, Any]) -> TokenSampling | None:
    if mode["sampling_mode"] == "off":
        return None
    return diffusion.language.token_choice.TokenSampling(**{name: mode[name] for name in _DRAWN if name in mode})
