"""What the modules of a family's folder have to offer; a module that has these functions is such a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nodes.families.marks import Shapes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from engine.model_store import ModelStore
    from engine.weights import Weights
    from nodes.diffusion.companions import Canvas
    from nodes.diffusion.control.call import ControlCall
    from nodes.diffusion.inputs import Input, Scene
    from nodes.diffusion.name_map import NameMap
    from nodes.diffusion.weights import WeightView
    from nodes.hooks import Call, NetworkPatches
    from nodes.values import Clip, Companion, Cond, Control, ControlNet, Model, ModelPatch, Vae


class Step(Protocol):
    """See :meth:`DenoiserPart.step`."""

    def __call__(
        self, module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call, /
    ) -> Tensor: ...


class DenoiserPart(Protocol):
    """``denoiser.py``."""

    def load(self, view: WeightView) -> Model:
        """The model in ``view``: the denoiser's tensors as its file names them, without the prefix.

        Dimensions are read off the shapes; what a variant needs to know at each step goes into ``Model.variant``.
        Raises ``ModelUnreadable`` where the file is no complete one.
        """
        ...

    def step(self, module: Any, x: Tensor, timestep: Tensor, inputs: Mapping[str, Any], call: Call) -> Tensor:
        """What the network predicts for ``x``, as the model's parameterization means it: the shape of ``x``.

        ``module``: what ``load``'s weights build, lent. ``x``: float32[rows, channels, *grid] in the denoiser's scale,
        as the network is to get it; ``timestep``: float32[rows], of ``Parameterization.timestep``. ``inputs``: by name,
        what ``sampling.inputs`` gave, joined over the rows. Moving it to the weights' device and format is the step's
        affair.
        """
        ...


class SamplingPart(Protocol):
    """``sampling.py``."""

    def inputs(self, entry: Cond, scene: Scene) -> Mapping[str, Input]:
        """What the network gets beside the noisy latent for one prompt, each with how it is joined with others'.

        Raises ``InputInvalid`` (``input=scene.role``) for a conditioning that the model cannot read.
        """
        ...


class TextPart(Protocol):
    """``text.py``. Where an encoder can answer prompts, it also has ``writer(texts)``, which is how
    (:class:`nodes.diffusion.language.writing.Writer`), by the name of the set of encoders.
    """

    def encode(
        self, models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()
    ) -> Cond:
        """The conditioning of one prompt, or of one for each encoder (by the kind's name), on the CPU.

        ``embeddings``: folders of textual inversions. What is neither ``context`` nor ``pooled`` goes into
        ``Cond.extra`` under ComfyUI's name for it.
        """
        ...


class NamesPart(Protocol):
    """``names.py``."""

    def name_map(self, shapes: Shapes) -> NameMap:
        """The file names of the parameters that the built network has; ``shapes``: by the network's own names."""
        ...


class EncoderPart(Protocol):
    """The module of an :class:`~nodes.families.family.EncoderKind`."""

    def load(self, view: WeightView, kind: str) -> Weights:
        """A handle to the encoder whose tensors, with any prefix of the layout's own, are in ``view``.

        ``kind``: the name of the kind, since several may have one module. Raises ``ModelUnreadable`` where the file is
        no complete one.
        """
        ...


class VaePart(Protocol):
    """The module of a :class:`~nodes.families.family.VaeKind`."""

    def load(self, view: WeightView) -> Vae:
        """The VAE whose tensors are in ``view``, its space's channels and factors read off the shapes."""
        ...

    def decode(self, module: Any, samples: Tensor) -> Tensor:
        """Latents in the VAE's own scale, float32[batch, channels, *grid], to [batch, 3, (frames,) h, w], -1..1."""
        ...

    def decode_drawing(self, module: Any, samples: Tensor, source: Generator) -> Tensor:
        """As ``decode``, of a kind that ``draws``, with noise from ``source``, a generator on the CPU."""
        ...

    def encode(self, module: Any, planes: Tensor) -> Tensor:
        """Pictures or films, float32[batch, 3, (frames,) height, width] in -1..1, to latents; the mean, no noise."""
        ...


class ControlPart(Protocol):
    """The module of a :class:`~nodes.families.family.ControlKind`."""

    def load(self, view: WeightView, kind: str) -> ControlNet:
        """The network of that kind in ``view``, which is all of its file."""
        ...

    def fits(self, shapes: Shapes, net: ControlNet, model: Model, network: Shapes) -> bool:
        """Whether ``net``, of tensors of ``shapes``, was made for ``model``, whose network has those of ``network``."""
        ...

    def residuals(self, control: Control, module: Any, call: ControlCall) -> Any:
        """What the lent network adds at strength 1: a dataclass as :mod:`nodes.diffusion.residuals` describes, which
        the family's ``step`` finds in ``Call.control``.
        """
        ...


class PatchPart(Protocol):
    """The module of a :class:`~nodes.families.family.PatchKind`."""

    def load(self, view: WeightView, kind: str) -> ModelPatch:
        """The network of that kind in ``view``, which is all of its file."""
        ...

    def fits(self, shapes: Shapes, network: Shapes) -> bool:
        """Whether a network of tensors of ``shapes`` was made for a model's network, which has those of ``network``."""
        ...

    def patches(self, companion: Companion, module: Any, canvas: Canvas) -> NetworkPatches:
        """The lent network's hooks for one sampling call, what it reads encoded."""
        ...
