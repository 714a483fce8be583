"""Value types of diffusion that travel along edges: MODEL, CLIP, VAE, CONDITIONING, CONTROL_NET and the sampling parts.

All are immutable. A MODEL is *shared weights plus a tuple of patches*: a node that changes a model returns a new value
that shares the weights. Nothing here imports torch at run time, so that schemas stay cheap to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from nodes.hooks import GuidancePatches, Hooks, NetworkPatches
from nodes.latent_space import LatentSpace

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.computing import Attention
    from engine.weights import WeightPatch, Weights
    from nodes.diffusion.parameterization import Parameterization
    from nodes.families.family import ControlKind, Family, PatchKind, VaeKind


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """What a VAE encodes to and a sampler denoises, in ComfyUI's scale (the model's own scaling taken off).

    ``samples``: float32[batch, channels, *grid] on the CPU; the grid is (h, w) of pictures, (frames, h, w) of films,
    (length) of sound. ``noise_mask``: float32, any size, [batch or 1, (1,) h, w], of films one picture a frame; 1 where
    noise goes. ``batch_index``: which noise of the seed's sequence each item takes, so that one can be redone alone.
    ``space``: what an empty latent was made for. ``others``: parts denoised with this one, such as a film's sound, each
    with its own mask. ``extra``: other keys of saved latents. ``noise_end``: the state of the generator that drew the
    noise it was denoised from, which decoders that draw go on with.
    """

    wire: ClassVar[str] = "LATENT"
    samples: Tensor
    noise_mask: Tensor | None = None
    batch_index: tuple[int, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    space: LatentSpace | None = None
    others: tuple[Latent, ...] = ()
    noise_end: Tensor | None = None

    @property
    def parts(self) -> tuple[Latent, ...]:
        """All that is denoised together, this one first."""
        return (self, *self.others)


# --- models ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Model:
    """MODEL: a denoising network. ``weights`` is a handle into the model store, shared by every value made from it.

    ``per_sampling`` are called once at the start of each sampling call: they make hooks that remember something from
    step to step, whose memory ends with that call. They are given the generator that drew the noise, where it ended.
    Hooks that are put on later come after theirs. ``space``: of its latents; ``variant``: what the family
    knows of this one network. ``keeps_clean``: what an inpainting mask keeps is shown to the network without noise.
    ``companions``: networks that run beside its own. ``attention``: the kernel that computes it, if not the settings'.
    """

    wire: ClassVar[str] = "MODEL"
    weights: Weights
    family: Family
    parameterization: Parameterization
    space: LatentSpace
    variant: Any = None
    keeps_clean: bool = False
    weight_patches: tuple[WeightPatch, ...] = ()
    patches: NetworkPatches = field(default_factory=NetworkPatches)
    guidance: GuidancePatches = field(default_factory=GuidancePatches)
    per_sampling: tuple[Callable[[torch.Generator], Hooks], ...] = ()
    companions: tuple[Companion, ...] = ()
    attention: Attention | None = None

    def with_patches(self, patches: NetworkPatches) -> Model:
        """The same model with more hooks, after those it has."""
        if self.per_sampling:
            return self.with_hooks_per_sampling(lambda _: Hooks(network=patches))
        return replace(self, patches=self.patches + patches)

    def with_weight_patch(self, patch: WeightPatch) -> Model:
        """The same model with one more change of its weights (a LoRA, a merge)."""
        return replace(self, weight_patches=(*self.weight_patches, patch))

    def with_guidance(self, patches: GuidancePatches) -> Model:
        """The same model with more guidance hooks, after those it has."""
        if self.per_sampling:
            return self.with_hooks_per_sampling(lambda _: Hooks(guidance=patches))
        return replace(self, guidance=self.guidance + patches)

    def with_hooks_per_sampling(self, make: Callable[[torch.Generator], Hooks]) -> Model:
        """The same model with hooks that are made anew for each sampling call."""
        return replace(self, per_sampling=(*self.per_sampling, make))

    def with_hooks_made(self, source: torch.Generator) -> Model:
        """The same model for one sampling call: its hooks per sampling made, by draws that ``source`` goes on with."""
        model = replace(self, per_sampling=())
        for make in self.per_sampling:
            hooks = make(source)
            model = model.with_patches(hooks.network).with_guidance(hooks.guidance)
        return model


@dataclass(frozen=True, eq=False)
class Clip:
    """CLIP: text encoders that a family's denoisers read together, with their tokenizers.

    ``kinds``: of the encoders, in the order of ``weights``; ``texts``: the name of the family's set that they are.
    ``last_layer``: which hidden layer, -1 = the last. ``weight_patches`` holds one tuple an encoder, in the order of
    ``weights``; read it through :meth:`patches_of`. ``options``: of the tokenizers, by name.
    """

    wire: ClassVar[str] = "CLIP"
    weights: tuple[Weights, ...]
    kinds: tuple[str, ...]
    family: Family
    texts: str
    last_layer: int | None = None
    weight_patches: tuple[tuple[WeightPatch, ...], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def index(self, kind: str) -> int | None:
        """Which of the encoders is of this kind."""
        return self.kinds.index(kind) if kind in self.kinds else None

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
    """VAE: pixels to latents and back. ``kind``: what runs it; ``space``: of its latents, without denoisers' scales.

    ``sample_rate_hz``: of the sounds that it makes; 0 for one of pictures.
    """

    wire: ClassVar[str] = "VAE"
    weights: Weights
    kind: VaeKind
    space: LatentSpace
    sample_rate_hz: int = 0


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
    ``vae``: for networks that read the picture as a latent. ``mask``: float32[batch, height, width], what is to be
    drawn, for networks that take one.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    previous: Control | None = None
    vae: Vae | None = None
    mask: Tensor | None = None


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

    def with_extra(self, **values: Any) -> Conditioning:
        """Each entry with more in ``extra``, or something else."""
        return self.map(lambda entry: replace(entry, extra={**entry.extra, **values}))

    def appended(self, **values: Any) -> Conditioning:
        """Each entry with one more value at the end of each of these tuples of ``extra``."""
        return self.map(
            lambda entry: replace(
                entry,
                extra={**entry.extra, **{name: (*entry.extra.get(name, ()), one) for name, one in values.items()}},
            )
        )


@dataclass(frozen=True, eq=False)
class ControlNet:
    """CONTROL_NET: a loaded ControlNet or T2I adapter. ``kind`` runs it. ``modes``: how many kinds of pictures a union
    network knows, 0 for any other; ``union_type``: which it will get. ``variant``: what its kind knows of this one.

    ``takes_mask``: it draws what a mask covers. ``global_pooling``: what it adds is averaged over the picture.
    ``difference``: its weights are stored as what they differ by from a model's, which ``weight_patches`` adds.
    """

    wire: ClassVar[str] = "CONTROL_NET"
    weights: Weights
    kind: ControlKind
    union_type: int | None = None
    modes: int = 0
    variant: Any = None
    takes_mask: bool = False
    global_pooling: bool = False
    difference: bool = False
    weight_patches: tuple[WeightPatch, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelPatch:
    """MODEL_PATCH: a network that runs beside a model's and adds to what its blocks make. ``kind`` runs it."""

    wire: ClassVar[str] = "MODEL_PATCH"
    weights: Weights
    kind: PatchKind


@dataclass(frozen=True, slots=True, eq=False)
class Companion:
    """A model patch put on a model, with the pictures that it reads, float32[batch, height, width, 3] in 0..1.

    ``mask``: float32[batch, height, width], what of ``inpaint_image`` (or of the picture) is to be drawn.
    """

    patch: ModelPatch
    vae: Vae
    strength: float = 1.0
    image: Tensor | None = None
    inpaint_image: Tensor | None = None
    mask: Tensor | None = None


# --- sampling ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UpscaleModel:
    """UPSCALE_MODEL: an image-to-image network that spandrel recognised."""

    wire: ClassVar[str] = "UPSCALE_MODEL"
    weights: Weights
    scale: int


@dataclass(frozen=True, eq=False)
class LatentUpscaleModel:
    """LATENT_UPSCALE_MODEL: a network that enlarges latents of films; ``channels``: of these."""

    wire: ClassVar[str] = "LATENT_UPSCALE_MODEL"
    weights: Weights
    channels: int


# --- pictures that are read ---------------------------------------------------------------------------------------
