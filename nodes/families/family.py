"""What a family of models declares: the marks of its files, the space that it works in, where its parts are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, cast

from nodes.families.marks import Marks
from nodes.latent_space import LatentSpace

if TYPE_CHECKING:
    from nodes.families.parts import (
        ControlPart,
        DenoiserPart,
        EncoderPart,
        NamesPart,
        PatchPart,
        SamplingPart,
        TextPart,
        VaePart,
    )


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """One kind of text (or vision) encoder, known by the marks of its file, whichever families read it.

    ``module``: the dotted name of what builds it, see :class:`nodes.families.parts.EncoderPart`.
    """

    name: str
    title: str
    marks: tuple[Marks, ...]
    module: str

    @property
    def part(self) -> EncoderPart:
        """What builds it, imported now."""
        return cast("EncoderPart", import_module(self.module))


@dataclass(frozen=True, slots=True)
class VaeKind:
    """One kind of VAE; ``module`` builds and runs it, see :class:`nodes.families.parts.VaePart`.

    ``draws``: its decoder mixes noise into latents, so that it is given where to draw that from.
    ``together``: a batch is a film, whose frames are decoded together.
    """

    name: str
    title: str
    marks: tuple[Marks, ...]
    module: str
    draws: bool = False
    together: bool = False

    @property
    def part(self) -> VaePart:
        """What builds and runs it, imported now."""
        return cast("VaePart", import_module(self.module))


@dataclass(frozen=True, slots=True)
class ControlKind:
    """One kind of ControlNet; ``module`` builds and runs it, see :class:`nodes.families.parts.ControlPart`."""

    name: str
    title: str
    marks: tuple[Marks, ...]
    module: str

    @property
    def part(self) -> ControlPart:
        """What builds and runs it, imported now."""
        return cast("ControlPart", import_module(self.module))


@dataclass(frozen=True, slots=True)
class PatchKind:
    """One kind of network beside a model's; ``module`` builds and runs it, see
    :class:`nodes.families.parts.PatchPart`.
    """

    name: str
    title: str
    marks: tuple[Marks, ...]
    module: str

    @property
    def part(self) -> PatchPart:
        """What builds and runs it, imported now."""
        return cast("PatchPart", import_module(self.module))


@dataclass(frozen=True, slots=True)
class TextSet:
    """Text encoders that are read together.

    ``encoders``: names of their kinds, in the order in which the family reads them. ``types``: the loaders' types that
    mean this set; they decide only where several sets consist of the same kinds, and there the first set without any
    stands for all other types. ``prefixes``: by kind, where the encoder is in a whole checkpoint, the first there is.
    """

    name: str
    encoders: tuple[str, ...]
    types: tuple[str, ...] = ()
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Family:
    """A family of denoisers, and where its parts are.

    ``name``: its folder; ``title``: as people call it. ``package``: ``__name__`` of its ``__init__.py``; the parts are
    the modules of that package, named as the properties are. ``marks``: of its denoisers' files, one set for each
    published layout. ``space``: of its latents. ``texts``: the sets of encoders that its denoisers read. ``vae``:
    prefixes of the VAE in a whole checkpoint. ``side_px``: of pictures that it draws best. ``hooks``: the fields of
    :class:`nodes.hooks.NetworkPatches` that its step consults. ``encoders``, ``vaes``, ``controls``,
    ``patches``: the kinds that it brings along, which any family may use.
    """

    name: str
    title: str
    package: str
    marks: tuple[Marks, ...]
    space: LatentSpace
    texts: tuple[TextSet, ...] = ()
    vae: tuple[str, ...] = ("first_stage_model.", "vae.")
    hooks: tuple[str, ...] = ("around_block",)
    side_px: int = 1024
    encoders: tuple[EncoderKind, ...] = ()
    vaes: tuple[VaeKind, ...] = ()
    controls: tuple[ControlKind, ...] = ()
    patches: tuple[PatchKind, ...] = ()

    @property
    def denoiser(self) -> DenoiserPart:
        """``denoiser.py``: a file's tensors to a model, and one step of its network."""
        return cast("DenoiserPart", import_module(f"{self.package}.denoiser"))

    @property
    def sampling(self) -> SamplingPart:
        """``sampling.py``: what the network gets beside the noisy latent."""
        return cast("SamplingPart", import_module(f"{self.package}.sampling"))

    @property
    def text(self) -> TextPart:
        """``text.py``: prompts to conditionings."""
        return cast("TextPart", import_module(f"{self.package}.text"))

    @property
    def names(self) -> NamesPart:
        """``names.py``: the names that files have for the network's parameters."""
        return cast("NamesPart", import_module(f"{self.package}.names"))

    def text_set(self, name: str) -> TextSet:
        """The set of encoders of this name."""
        return next(each for each in self.texts if each.name == name)
