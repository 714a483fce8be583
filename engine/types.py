"""Value types that travel along a graph's edges and mean the same to every node: pictures, masks, sound, film.

Each is a small immutable dataclass with a ``wire`` name, the type name that ComfyUI clients know. Tensors inside are
never written to after construction: cached values are shared between runs. torch is imported for type checkers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import torch


Hdr = Literal["sdr", "as_stored"]
"""What becomes of HLG and PQ where pictures are made of them: what ordinary screens show, or the stored levels."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pictures: float32[batch, height, width, channels], channels 3 or 4, values 0..1, on the CPU."""

    wire: ClassVar[str] = "IMAGE"
    pixels: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Masks: float32[batch, height, width], 0 = keep, 1 = change, on the CPU."""

    wire: ClassVar[str] = "MASK"
    values: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Sound: float32[batch, channels, samples], -1..1."""

    wire: ClassVar[str] = "AUDIO"
    waveform: torch.Tensor
    sample_rate_hz: int


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """Film: either pictures or a file, never both. ``frame_rate`` in frames a second, ``bit_depth`` 8 or 10.

    ``start_s`` and ``duration_s``: which part of a file it is; all that follows where there is no duration.
    """

    wire: ClassVar[str] = "VIDEO"
    frames: Image | None = None
    frame_rate: Fraction | None = None
    audio: Audio | None = None
    file: Path | None = None
    bit_depth: int = 8
    start_s: Fraction = Fraction(0)
    duration_s: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Flows along an edge instead of a value: nodes that would read it do not run, and pass it on.

    With a message, output nodes that it reaches report it as an error; without one they are silently skipped.
    """

    message: str | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Flows along an edge where there is nothing to give, as a checkpoint without a VAE gives none.

    A node that reads it fails with ``message`` and ``remedy``, unless its annotation takes it (``Clip | Absent``).
    """

    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Output ``slot`` of node ``node_id``; what ``["4", 0]`` is in the JSON."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """Returned by a node that stands for a subgraph: ``graph`` is run, then ``outputs`` are this node's outputs.

    ``graph``: API-form nodes by id (ids are private to the expansion; links may also name ids of the outer graph by
    passing the value itself). ``outputs``: one entry an output slot, a value or a ``Link`` into ``graph``.
    """

    graph: Mapping[str, Mapping[str, Any]]
    outputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of a run: ``folder`` is ``output``, ``temp`` or ``input``, ``subfolder`` below it.

    ``digest``: SHA-256 of its bytes when it was put there, as hexadecimal digits.
    """

    filename: str
    subfolder: str
    folder: str
    media_type: str
    digest: str = field(default="", compare=False)
    size_bytes: int = field(default=0, compare=False)

    def as_wire(self) -> dict[str, str]:
        """ComfyUI's ``{"filename", "subfolder", "type"}``."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.folder}
