"""Value types of diffusion that travel along edges: MODEL, CLIP, VAE, CONDITIONING, CONTROL_NET and the sampling parts.

All are immutable. A MODEL is *shared weights plus a tuple of patches*: a node that changes a model returns a new value
that shares the weights. Nothing here imports torch at run time, so that schemas stay cheap to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.model_store import WeightPatch, Weights
    from nodes.diffusion.families import Family
    from nodes.diffusion.parameterization import Parameterization


# --- hooks into the UNet -----------------------------------------------------------------------------------------

Stage = Literal["input", "middle", "output"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the UNet a hook is called, counted as the published LDM UNet counts its blocks.

    ``block``: index among input_blocks or output_blocks (0 for the middle). ``depth``: index of the transformer layer
    within the block's spatial transformer. ``latent_px``: (height, width) of the latent that the UNet was given;
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

    def __call__(self, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: Site, attention: Any, /) -> Tensor: ...


class DeepFeatures(Protocol):
    """Lets a pass leave out the UNet's inner blocks, by what an earlier pass made of them.

    ``depth``: how many input blocks after the first run all the same; as many output blocks do. ``recall`` tells what
    the inner blocks are taken to make of a batch of this shape ([batch, channels, height, width], ``rows`` as in
    :class:`Site`), or None where they have to run; then ``keep`` is told what they made.
    """

    @property
    def depth(self) -> int: ...

    def recall(self, shape: torch.Size, rows: tuple[int, ...], sigma: float) -> Tensor | None: ...

    def keep(self, hidden: Tensor) -> None: ...


BlockPatch = Callable[["Tensor", Site], "Tensor"]
SkipPatch = Callable[["Tensor", "Tensor", Site], "tuple[Tensor, Tensor]"]


@dataclass(frozen=True, slots=True)
class UNetPatches:
    """Hooks that one UNet call consults. Each tuple is applied in order (attention patches: first is outermost).

    ``after_input``: on the output of each input block, before it is kept as a skip; ``after_input_skip``: after it was
    kept. ``before_output``: on (hidden, skip) before an output block concatenates them. ``deep``: the last one decides.
    """

    self_attention: tuple[AttentionPatch, ...] = ()
    cross_attention: tuple[AttentionPatch, ...] = ()
    after_input: tuple[BlockPatch, ...] = ()
    after_input_skip: tuple[BlockPatch, ...] = ()
    after_middle: tuple[BlockPatch, ...] = ()
    before_output: tuple[SkipPatch, ...] = ()
    deep: tuple[DeepFeatures, ...] = ()

    def __add__(self, other: UNetPatches) -> UNetPatches:
        """Both sets of hooks, ``self``'s first."""
        return UNetPatches(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


# --- guidance ----------------------------------------------------------------------------------------------------


class Predict(Protocol):
    """One more prediction of the clean latent, with extra hooks, for the prompts ``conditioning``.

    ``conditioning``: a :class:`Conditioning`, or what :class:`Guided` holds as ``positive`` or ``negative``. ``x``:
    another noisy latent than the step's own, at the same sigma.
    """

    def __call__(self, conditioning: Any, patches: UNetPatches, x: Tensor | None = None) -> Tensor: ...


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


CfgFunction = Callable[[Guided], "Tensor"]
GuidedPatch = Callable[[Guided], Guided]
MaskFunction = Callable[["Tensor", "Tensor", "Tensor", "Parameterization"], "Tensor"]


@dataclass(frozen=True, slots=True)
class GuidancePatches:
    """How a model's predictions are combined, beyond plain classifier-free guidance.

    ``before``: adjust ``cond``/``uncond`` first; ``combine``: replaces the cfg formula (the last one set wins);
    ``after``: adjust ``denoised``. ``keep_uncond``: compute the negative prediction even at cfg 1.
    ``denoise_mask``: (sigma, mask, sigmas, parameterization) -> mask, replaces the inpainting mask at every step.
    """

    before: tuple[GuidedPatch, ...] = ()
    combine: CfgFunction | None = None
    after: tuple[CfgFunction, ...] = ()
    keep_uncond: bool = False
    denoise_mask: MaskFunction | None = None

    def __add__(self, other: GuidancePatches) -> GuidancePatches:
        """Both, ``self``'s first; where only one can be, ``other``'s."""
        return GuidancePatches(
            before=self.before + other.before,
            combine=other.combine or self.combine,
            after=self.after + other.after,
            keep_uncond=self.keep_uncond or other.keep_uncond,
            denoise_mask=other.denoise_mask or self.denoise_mask,
        )


@dataclass(frozen=True, slots=True)
class Hooks:
    """Hooks into the UNet and into guidance that belong together."""

    unet: UNetPatches = field(default_factory=UNetPatches)
    guidance: GuidancePatches = field(default_factory=GuidancePatches)


# --- models ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Model:
    """MODEL: a denoising network. ``weights`` is a handle into the model store, shared by every value made from it.

    ``per_sampling`` are called once at the start of each sampling call: they make hooks that remember something from
    step to step, whose memory ends with that call. They are given the generator that drew the noise, where it ended.
    """

    wire: ClassVar[str] = "MODEL"
    weights: Weights
    family: Family
    parameterization: Parameterization
    weight_patches: tuple[WeightPatch, ...] = ()
    unet_patches: UNetPatches = field(default_factory=UNetPatches)
    guidance: GuidancePatches = field(default_factory=GuidancePatches)
    per_sampling: tuple[Callable[[torch.Generator], Hooks], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_unet_patches(self, patches: UNetPatches) -> Model:
        """The same model with more hooks, after those it has."""
        return replace(self, unet_patches=self.unet_patches + patches)

    def with_weight_patch(self, patch: WeightPatch) -> Model:
        """The same model with one more change of its weights (a LoRA, a merge)."""
        return replace(self, weight_patches=(*self.weight_patches, patch))

    def with_guidance(self, patches: GuidancePatches) -> Model:
        """The same model with more guidance hooks, after those it has."""
        return replace(self, guidance=self.guidance + patches)

    def with_hooks_per_sampling(self, make: Callable[[torch.Generator], Hooks]) -> Model:
        """The same model with hooks that are made anew for each sampling call."""
        return replace(self, per_sampling=(*self.per_sampling, make))


@dataclass(frozen=True, eq=False)
class Clip:
    """CLIP: a family's text encoders with their tokenizers. ``last_layer``: which hidden layer, -1 = the last.

    ``weight_patches`` holds one tuple an encoder, in the order of ``weights``; read it through :meth:`patches_of`.
    """

    wire: ClassVar[str] = "CLIP"
    weights: tuple[Weights, ...]
    family: Family
    last_layer: int | None = None
    weight_patches: tuple[tuple[WeightPatch, ...], ...] = ()

    def patches_of(self, encoder: int) -> tuple[WeightPatch, ...]:
        """The patches of the encoder with this index, in the order they were put on."""
        return self.weight_patches[encoder] if self.weight_patches else ()

    def with_weight_patch(self, encoder: int, patch: WeightPatch) -> Clip:
        """The same encoders with one more change of one encoder's weights."""
        patches = [self.patches_of(index) for index in range(len(self.weights))]
        patches[encoder] = (*patches[encoder], patch)
        return replace(self, weight_patches=tuple(patches))


@dataclass(frozen=True, eq=False)
class Vae:
    """VAE: pixels to latents and back. ``family``: of the checkpoint it came from; a file of its own tells none."""

    wire: ClassVar[str] = "VAE"
    weights: Weights
    family: Family | None = None


# --- conditioning ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle: in latent pixels (``unit='latent'``) or as fractions of the picture (``'fraction'``)."""

    height: float
    width: float
    y: float
    x: float
    unit: Literal["latent", "fraction"] = "latent"


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """One ControlNet (or T2I adapter) applied to a conditioning, with what was there before it in ``previous``.

    ``hint``: float32[batch, 3, height, width] 0..1 in pixels. Active while start_percent <= progress <= end_percent.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    previous: Control | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Cond:
    """One entry of a CONDITIONING: an encoded prompt and where, when and how strongly it counts.

    ``context``: float32[1 or batch, tokens, width]; ``pooled``: float32[1 or batch, width] or None. ``mask``:
    float32[1 or batch, height, width]. ``concat_latent`` and ``concat_mask``: what inpainting models get beside the
    noisy latent. ``size``: SDXL's width, height, crop_w, crop_h, target_width, target_height, aesthetic_score.
    """

    context: Tensor
    pooled: Tensor | None = None
    strength: float = 1.0
    area: Area | None = None
    mask: Tensor | None = None
    mask_strength: float = 1.0
    set_area_to_bounds: bool = False
    start_percent: float = 0.0
    end_percent: float = 1.0
    control: Control | None = None
    control_apply_to_uncond: bool = False
    concat_latent: Tensor | None = None
    concat_mask: Tensor | None = None
    size: Mapping[str, float] = field(default_factory=dict)
    guidance: float | None = None
    default: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """CONDITIONING: entries that are all evaluated and averaged by area, mask and strength."""

    wire: ClassVar[str] = "CONDITIONING"
    entries: tuple[Cond, ...]

    def map(self, change: Callable[[Cond], Cond]) -> Conditioning:
        """Each entry replaced by ``change(entry)``."""
        return Conditioning(tuple(change(entry) for entry in self.entries))

    def set(self, **changes: Any) -> Conditioning:
        """Each entry with fields replaced."""
        return self.map(lambda entry: replace(entry, **changes))


@dataclass(frozen=True, eq=False)
class ControlNet:
    """CONTROL_NET: a loaded ControlNet or T2I adapter. ``kind`` picks how it is run; ``union_type`` its mode."""

    wire: ClassVar[str] = "CONTROL_NET"
    weights: Weights
    kind: Literal["controlnet", "union", "t2i_adapter", "control_lora"]
    union_type: int | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


# --- sampling ----------------------------------------------------------------------------------------------------


class Denoiser(Protocol):
    """What a sampler steps with: x and sigma in, the guided prediction of the clean latent out.

    ``x``: float32[batch, channels, height, width] (the noisy latent, k-diffusion scaling); ``sigma``: float32[batch]
    or scalar tensor. ``with_uncond`` also returns the negative prediction, for CFG++ samplers. ``parameterization``
    tells sigma_min, sigma_max, percent_to_sigma and whether the model is a flow. ``seed`` seeds the sampler's noise.
    """

    parameterization: Parameterization
    seed: int

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor: ...

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]: ...


class StepCallback(Protocol):
    """Called after each step with its index (0-based), the current sigma, x, and the denoised prediction."""

    def __call__(self, step: int, sigma: Tensor, x: Tensor, denoised: Tensor) -> None: ...


@dataclass(frozen=True, slots=True)
class Sampler:
    """SAMPLER: the name of a function in the sampler table and options that override its own."""

    wire: ClassVar[str] = "SAMPLER"
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sigmas:
    """SIGMAS: noise levels from high to low, float32[steps + 1], on the CPU."""

    wire: ClassVar[str] = "SIGMAS"
    values: torch.Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """NOISE: a seed, or None for no noise at all."""

    wire: ClassVar[str] = "NOISE"
    seed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Guider:
    """GUIDER: a model with the conditionings it is guided by and how they combine.

    ``kind``: ``basic`` (positive alone), ``cfg``, ``dual_cfg`` (positive, middle, negative) or ``perp_neg``.
    """

    wire: ClassVar[str] = "GUIDER"
    model: Model
    kind: Literal["basic", "cfg", "dual_cfg", "perp_neg"]
    conditionings: Mapping[str, Conditioning]
    cfg: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class UpscaleModel:
    """UPSCALE_MODEL: an image-to-image network that spandrel recognised."""

    wire: ClassVar[str] = "UPSCALE_MODEL"
    weights: Weights
    scale: int
