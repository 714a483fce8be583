"""A song that is to be made: what is known of it, how that is put to the text encoders, how its codes are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import yaml

_TASK = "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
_CAPTION = _TASK + "# Caption\n{}\n\n# Metas\n{}\n<|endoftext|>\n<|endoftext|>"
_LYRICS = "# Languages\n{}\n\n# Lyric\n{}<|endoftext|><|endoftext|>"
_WRITTEN = (
    "<|im_start|>system\n" + _TASK + "<|im_end|>\n<|im_start|>user\n# Caption\n{}\n\n# Lyric\n{}\n<|im_end|>\n"
    "<|im_start|>assistant\n{}\n\n<|im_end|>\n"
)
_NO_FACTS = "<think>\n\n</think>"
CODES_A_SECOND = 5


@dataclass(frozen=True, slots=True)
class Song:
    """What is to be sung. ``duration_s``: of all of it; ``bpm``, ``time`` (beats a bar) and ``key`` where known."""

    tags: str
    lyrics: str = ""
    language: str = ""
    duration_s: float = 120.0
    bpm: int | None = None
    time: int | None = None
    key: str | None = None

    @property
    def seconds(self) -> int:
        """Whole ones, rounded up."""
        return math.ceil(self.duration_s)

    def caption(self) -> str:
        """The prompt that is encoded."""
        facts = {
            "bpm": self.bpm,
            "timesignature": self.time,
            "keyscale": self.key,
            "duration": f"{self.seconds} seconds",
        }
        listed = "\n".join(f"- {name}: {'N/A' if fact is None else fact}" for name, fact in facts.items())
        return _CAPTION.format(self.tags.strip(), listed)

    def sung(self) -> str:
        """The lyrics as they are encoded."""
        return _LYRICS.format(self.language, self.lyrics)

    def asked(self, *, with_facts: bool) -> str:
        """What the writer of codes goes on from."""
        facts = {"bpm": self.bpm, "duration": self.seconds, "keyscale": self.key, "timesignature": self.time}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        thought = yaml.safe_dump(known, allow_unicode=True, sort_keys=True).strip()
        told = f"<think>\n{thought}\n</think>" if with_facts else _NO_FACTS
        return _WRITTEN.format(self.tags.strip(), self.lyrics.strip(), told)


@dataclass(frozen=True, slots=True)
class Draft:
    """How codes are drawn: ``cfg`` away from the song without its facts, then ``top_k`` (0: all), ``min_p`` and
    ``top_p`` leave out what is unlikely, and ``temperature`` (0: always the likeliest) comes last.
    """

    seed: int = 0
    cfg: float = 2.0
    temperature: float = 0.85
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0


@dataclass(frozen=True, slots=True)
class CodesWanted:
    """Whether codes are written, and how."""

    codes: bool = True
    draft: Draft = field(default_factory=Draft)
