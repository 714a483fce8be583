"""One block of LTX-2's transformer, as diffusers' ``LTX2VideoTransformerBlock`` has its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import rms_norm

from nodes.families.ltx.blocks import NORM_EPSILON, Times, modulated
from nodes.families.ltx.guides import GuideWeights
from nodes.families.ltx2.attention import attend

SIDES = 4
"""Rows of a table that scale and shift what film and sound show each other; the last one is a gate."""


@dataclass(frozen=True, slots=True, eq=False)
class FilmSide:
    """What all blocks of one pass are given of the film, or of its sound.

    ``times``: of its tokens; ``prompt``: of the prompt that it reads, where that is modulated; ``sides``, ``gate``: of
    what it shows the other and takes from it. ``turns``: of its heads; ``crossing``: of heads between both.
    """

    times: Times
    prompt: Times | None
    sides: Times
    gate: Times
    turns: Tensor
    crossing: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FilmAndSound:
    """Both streams of one pass; ``guides``: how much the film's guides count."""

    film: FilmSide
    sound: FilmSide | None
    split: bool
    guides: GuideWeights | None = None

    def run(
        self, block: Any, film: Tensor, sound: Tensor, film_context: Tensor, sound_context: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The tokens of the film and of its sound, if it has any, after ``block``."""
        film = self._read(block, "", self.film, film, film_context, self.guides)
        if self.sound is not None:
            sound = self._read(block, "audio_", self.sound, sound, sound_context, None)
            film, sound = self._cross(block, self.sound, film, sound)
            sound = self._feed(block, "audio_", self.sound, sound)
        return self._feed(block, "", self.film, film), sound

    def _read(
        self, block: Any, name: str, stream: FilmSide, tokens: Tensor, context: Tensor, guides: GuideWeights | None
    ) -> Tensor:
        """``tokens`` after they have attended to each other and to the prompt."""
        shift, scale, gate, _, _, _, *of_prompt = stream.times.parts(getattr(block, f"{name}scale_shift_table"))
        own = attend(
            getattr(block, f"{name}attn1"),
            modulated(tokens, shift, scale),
            turns=stream.turns,
            split=self.split,
            guides=guides,
        )
        tokens = torch.addcmul(tokens, own, gate)
        attention = getattr(block, f"{name}attn2")
        if not of_prompt:
            return tokens + attend(attention, _normed(tokens), context)
        shift, scale, gate = of_prompt
        table = getattr(block, f"{name}prompt_scale_shift_table")
        moved, grown = table[:, None, None] if stream.prompt is None else stream.prompt.parts(table)
        found = attend(attention, modulated(tokens, shift, scale), torch.addcmul(moved, context, 1 + grown))
        return torch.addcmul(tokens, found, gate)

    def _cross(self, block: Any, other: FilmSide, film: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Both after each has attended to the other, the film first."""
        film_table, sound_table = (
            getattr(block, f"{each}_a2v_cross_attn_scale_shift_table") for each in ("video", "audio")
        )
        of_film, of_sound = self.film.sides.parts(film_table[:SIDES]), other.sides.parts(sound_table[:SIDES])
        (film_gate,), (sound_gate,) = self.film.gate.parts(film_table[SIDES:]), other.gate.parts(sound_table[SIDES:])
        to_film = attend(
            block.audio_to_video_attn,
            modulated(film, of_film[1], of_film[0]),
            modulated(sound, of_sound[1], of_sound[0]),
            turns=self.film.crossing,
            context_turns=other.crossing,
            split=self.split,
        )
        film = torch.addcmul(film, to_film, film_gate)
        to_sound = attend(
            block.video_to_audio_attn,
            modulated(sound, of_sound[3], of_sound[2]),
            modulated(film, of_film[3], of_film[2]),
            turns=other.crossing,
            context_turns=self.film.crossing,
            split=self.split,
        )
        return film, torch.addcmul(sound, to_sound, sound_gate)

    def _feed(self, block: Any, name: str, stream: FilmSide, tokens: Tensor) -> Tensor:
        _, _, _, shift, scale, gate, *_ = stream.times.parts(getattr(block, f"{name}scale_shift_table"))
        return torch.addcmul(tokens, getattr(block, f"{name}ff")(modulated(tokens, shift, scale)), gate)


def _normed(tokens: Tensor) -> Tensor:
    return rms_norm(tokens, tokens.shape[-1:], eps=NORM_EPSILON)
