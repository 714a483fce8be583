"""Hooks: where patches reach into a sampling call, in a network's blocks and in how predictions are combined.

All are immutable, and a model carries them in tuples. Nothing here imports torch at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nodes.diffusion.parameterization import Parameterization


# --- hooks into the network --------------------------------------------------------------------------------------

Stage = Literal["input", "middle", "output", "double", "single", "block", "refiner"]


@dataclass(frozen=True, slots=True)
class HookSite:
    """Where in a network a hook is called; a UNet's blocks are counted as the published LDM UNet counts them.

    ``block``: index among the blocks of the stage (0 for the middle). ``depth``: index of the transformer layer within
    a UNet's spatial transformer. ``latent_px``: (height, width) of the latent that the network was given;
    ``rows``: for each group of the batch, 0 = positive, 1 = negative (equal group sizes, in batch order).
    """

    stage: Stage
    block: int
    depth: int
    latent_px: tuple[int, int]
    rows: tuple[int, ...]
    sigma: float


Attend = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]


class AttentionPatch(Protocol):
    """Wraps one attention: gets what would go *into* the query, key and value projections ([batch, tokens, width]).

    ``attend(q, k, v)`` runs the rest (inner patches, projections, attention, output projection). ``attention`` is the
    diffusers module, for patches that need its projections or head count. Returns [batch, tokens, width].
    """

    def __call__(
        self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: HookSite, attention: Any, /
    ) -> Tensor: ...


class DeepFeatures(Protocol):
    """Lets a pass leave out the UNet's inner blocks, by what an earlier pass made of them.

    ``depth``: how many input blocks after the first run all the same; as many output blocks do. ``recall`` tells what
    the inner blocks are taken to make of a batch of this shape ([batch, channels, height, width], ``rows`` as in
    :class:`HookSite`), or None where they have to run; then ``keep`` is told what they made.
    """

    @property
    def depth(self) -> int: ...

    def recall(self, shape: torch.Size, rows: tuple[int, ...], sigma: float) -> Tensor | None: ...

    def keep(self, hidden: Tensor) -> None: ...


class BlockWrapper(Protocol):
    """Wraps a whole transformer block: ``run`` computes it (and inner wrappers) from its named inputs and returns them
    changed, such as ``{"image": ..., "text": ...}``; to return ``state`` as it is leaves the block out.
    """

    def __call__(
        self,
        run: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
        state: Mapping[str, Tensor],
        site: HookSite,
        /,
    ) -> Mapping[str, Tensor]: ...


class KeptAttention(Protocol):
    """Keeps keys and values of the tokens of references, which do not change, from one step for the next ones.

    They are [rows, tokens, heads, width], by block (``double`` or ``single``, and its number); ``recall`` gives None
    before anything was kept.
    """

    def recall(self, block: tuple[str, int]) -> tuple[Tensor, Tensor] | None: ...

    def keep(self, block: tuple[str, int], keys: Tensor, values: Tensor) -> None: ...


class NetworkWrapper(Protocol):
    """Wraps a whole pass through the network: ``run`` computes it (and inner wrappers) for an input like ``x``.

    ``x``: [rows, channels, *grid], scaled for the network; returns what the network predicts, of the same shape.
    """

    def __call__(self, run: Callable[[Tensor], Tensor], x: Tensor, call: Call, /) -> Tensor: ...


BlockPatch = Callable[["Tensor", HookSite], "Tensor"]
SkipPatch = Callable[["Tensor", "Tensor", HookSite], "tuple[Tensor, Tensor]"]


@dataclass(frozen=True, slots=True)
class NetworkPatches:
    """Hooks that one call of a network consults, those of a UNet first. Each tuple is applied in order (attention
    patches: first is outermost).

    ``inner_self_attention``: inside all of ``self_attention``, in whatever order the patches were put on: what takes
    the place of the attention itself rather than changing what goes into it. One that does not attend further wins.
    ``after_input``: on the output of each input block, before it is kept as a skip; ``after_input_skip``: after it was
    kept. ``before_output``: on (hidden, skip) before an output block concatenates them. ``deep``: the last one decides.
    ``around_block``: around each block of a transformer, ``around_network``: around each pass, the first outermost;
    ``kept_attention``: the last one decides.
    A family's step consults what it has.
    """

    self_attention: tuple[AttentionPatch, ...] = ()
    inner_self_attention: tuple[AttentionPatch, ...] = ()
    cross_attention: tuple[AttentionPatch, ...] = ()
    after_input: tuple[BlockPatch, ...] = ()
    after_input_skip: tuple[BlockPatch, ...] = ()
    after_middle: tuple[BlockPatch, ...] = ()
    before_output: tuple[SkipPatch, ...] = ()
    deep: tuple[DeepFeatures, ...] = ()
    around_block: tuple[BlockWrapper, ...] = ()
    kept_attention: tuple[KeptAttention, ...] = ()
    around_network: tuple[NetworkWrapper, ...] = ()

    def __add__(self, other: NetworkPatches) -> NetworkPatches:
        """Both sets of hooks, ``self``'s first."""
        return NetworkPatches(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Call:
    """What a network's step is told of the sampling call it is part of.

    ``rows``: for each group of the batch, 0 = positive, 1 = negative, others as the guidance likes; groups are of equal
    size, in batch order. ``sigma``: the noise level, of the first row where rows of several jobs are joined.
    ``control``: what ControlNets add, in the form that the family's networks take, or None. ``shapes``: of the latent's
    parts, [batch, channels, *grid] each; where there are several, ``x`` and what the step returns are packed, see
    :mod:`nodes.diffusion.nested`. ``prompts``: which prompts the groups are of; equal ones mean the same
    prompt at every step of a sampling call.
    """

    patches: NetworkPatches = field(default_factory=NetworkPatches)
    rows: tuple[int, ...] = (0,)
    sigma: float = 0.0
    control: Any = None
    shapes: tuple[tuple[int, ...], ...] = ()
    prompts: tuple[Hashable, ...] = ()


# --- guidance ----------------------------------------------------------------------------------------------------


class Predict(Protocol):
    """One more prediction of the clean latent, with extra hooks, for the prompts ``conditioning``.

    ``conditioning``: a :class:`Conditioning`, or what :class:`Guided` holds as ``positive`` or ``negative``. ``x``:
    another noisy latent than the step's own, at the same sigma.
    """

    def __call__(self, conditioning: Any, patches: NetworkPatches, x: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Guided:
    """One step's predictions, before or while they are combined. All tensors are [batch, channels, height, width].

    ``denoised`` is the combined prediction of the clean latent; ``cond`` and ``uncond`` are the predictions it was made
    from (``uncond`` is None where cfg is 1 and nothing asked for it). ``predict`` runs the network once more, for
    guidance methods that compare passes.
    """

    x: Tensor
    sigma: Tensor
    cfg: float
    cond: Tensor
    uncond: Tensor | None
    denoised: Tensor
    positive: Any
    negative: Any
    predict: Predict
    parameterization: Parameterization


@dataclass(frozen=True, slots=True)
class CfgSpan:
    """A scale of guidance, for noise levels ``low`` <= sigma <= ``high``."""

    cfg: float
    high: float
    low: float


class GuidanceWrapper(Protocol):
    """Wraps a whole evaluation of a noisy latent: ``run`` gives the guided and the negative prediction for one.

    ``x``: [batch, channels, *grid]; ``sigma``: the noise level.
    """

    def __call__(
        self, run: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, sigma: float, /
    ) -> tuple[Tensor, Tensor]: ...


CfgFunction = Callable[[Guided], "Tensor"]
GuidedPatch = Callable[[Guided], Guided]
MaskFunction = Callable[["Tensor", "Tensor", "Tensor", "Parameterization"], "Tensor"]


@dataclass(frozen=True, slots=True)
class GuidancePatches:
    """How a model's predictions are combined, beyond plain classifier-free guidance.

    ``before``: adjust ``cond``/``uncond`` first; ``combine``: replaces the cfg formula (the last one set wins);
    ``after``: adjust ``denoised``. ``keep_uncond``: compute the negative prediction even at cfg 1.
    ``denoise_mask``: (sigma, mask, sigmas, parameterization) -> mask, replaces the inpainting mask at every step.
    ``around``: around the evaluation as a whole, the first outermost. ``cfg_within``: other scales than the guider's
    within spans of noise levels; where spans overlap, the last one's.
    """

    before: tuple[GuidedPatch, ...] = ()
    combine: CfgFunction | None = None
    after: tuple[CfgFunction, ...] = ()
    keep_uncond: bool = False
    denoise_mask: MaskFunction | None = None
    around: tuple[GuidanceWrapper, ...] = ()
    cfg_within: tuple[CfgSpan, ...] = ()

    def __add__(self, other: GuidancePatches) -> GuidancePatches:
        """Both, ``self``'s first; where only one can be, ``other``'s."""
        return GuidancePatches(
            before=self.before + other.before,
            combine=other.combine or self.combine,
            after=self.after + other.after,
            keep_uncond=self.keep_uncond or other.keep_uncond,
            denoise_mask=other.denoise_mask or self.denoise_mask,
            around=self.around + other.around,
            cfg_within=self.cfg_within + other.cfg_within,
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """Hooks into the network and into guidance that belong together."""

    network: NetworkPatches = field(default_factory=NetworkPatches)
    guidance: GuidancePatches = field(default_factory=GuidancePatches)
