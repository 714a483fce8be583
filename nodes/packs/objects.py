"""MODEL, CLIP, VAE and the like as objects with the methods that packs call; what they lack is a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from engine.types import Audio, Image, Video
from nodes import diffusion
from nodes.packs import conditionings
from nodes.packs.missing import missing
from nodes.packs.running import context
from nodes.text import encode_prompt
from nodes.values import Clip, Conditioning, ControlNet, Model, UpscaleModel, Vae
from nodes.vision_values import ClipVision, ClipVisionOutput, StyleModel

CPU = torch.device("cpu")


class Wrapped:
    """One of our values, which goes back to us as it is. ``ours``: it."""

    title = "value"

    def __init__(self, ours: Any) -> None:
        self.ours = ours

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(f"comfy {self.title}", name)


class WrappedModel(Wrapped):
    """MODEL. Options that packs set on it and that we know count when it is used."""

    title = "MODEL"
    load_device = offload_device = CPU

    def __init__(self, ours: Model) -> None:
        super().__init__(ours)
        self.model_options: dict[str, Any] = {"transformer_options": {}}
        self.model = SimpleNamespace(
            model_sampling=_ModelSampling(ours),
            latent_format=_latent_format(ours.space),
            device=CPU,
            model_config=SimpleNamespace(unet_config={}, latent_format=_latent_format(ours.space)),
        )

    def clone(self) -> WrappedModel:
        """Another object over the same value."""
        return WrappedModel(self.ours)

    def get_model_object(self, name: str) -> Any:
        """A part by name: ``model_sampling``, ``latent_format``."""
        return getattr(self.model, name, None) or missing("comfy MODEL", name)

    def model_dtype(self) -> torch.dtype:
        """What packs may hand in."""
        return torch.float32

    def model_size(self) -> int:
        """Bytes of the weights; not known here."""
        return 0


class _ModelSampling:
    """The noise levels that a model knows."""

    def __init__(self, model: Model) -> None:
        self._parameterization = model.parameterization
        self.sigma_min, self.sigma_max = (self.percent_to_sigma(part) for part in (1.0, 0.0))

    def percent_to_sigma(self, percent: float) -> float:
        """The level at that part of sampling, 0..1."""
        return float(self._parameterization.percent_to_sigma(percent))


def _latent_format(space: Any) -> Any:
    return SimpleNamespace(
        latent_channels=space.channels,
        scale_factor=space.scale,
        latent_dimensions=space.dims,
        spacial_downscale_ratio=space.factors[-1],
        process_in=space.to_model,
        process_out=space.from_model,
        latent_rgb_factors=[list(row) for row in space.rgb_factors] or None,
        taesd_decoder_name=space.approx_decoder or None,
    )


class Tokens(dict[str, Any]):
    """A prompt, by the names under which ComfyUI keeps each encoder's tokens: packs put parts of several together."""

    text = ""


_ENCODERS: Mapping[str, str] = {"l": "clip_l", "g": "clip_g", "t5xxl": "t5xxl"}


class WrappedClip(Wrapped):
    """CLIP: prompts in, conditionings out."""

    title = "CLIP"

    def __init__(self, ours: Clip) -> None:
        super().__init__(ours)
        self.cond_stage_model = missing("comfy CLIP", "cond_stage_model")
        self.layer_idx = ours.last_layer

    def clone(self) -> WrappedClip:
        """Another object over the same value."""
        return WrappedClip(self.ours)

    def clip_layer(self, layer: int) -> None:
        """From now on, read this hidden layer: -1 is the last."""
        self.ours, self.layer_idx = replace(self.ours, last_layer=layer), layer

    def tokenize(self, text: str, *_: Any, **__: Any) -> Tokens:
        """The prompt, to be encoded by :meth:`encode_from_tokens`."""
        tokens = Tokens({name: text for name, kind in _ENCODERS.items() if self.ours.index(kind) is not None})
        tokens.text = text
        return tokens

    def encode_from_tokens(self, tokens: Any, return_pooled: Any = False, return_dict: bool = False) -> Any:
        """The encoded prompt: the tensor, with the summary where asked for, or all of it as a dictionary."""
        entry = self._encoded(tokens)
        if return_dict:
            return {"cond": entry.context, **conditionings.to_theirs(Conditioning((entry,)))[0][1]}
        return (entry.context, entry.pooled) if return_pooled else entry.context

    def encode_from_tokens_scheduled(self, tokens: Any, add_dict: Any = None, **_: Any) -> Any:
        """The encoded prompt as a CONDITIONING, with ``add_dict`` in its options."""
        made = conditionings.to_theirs(Conditioning((self._encoded(tokens),)))
        for _context, options in made:
            options.update(add_dict or {})
        return made

    def encode(self, text: str) -> Tensor:
        """The encoded prompt's tensor."""
        context_of: Tensor = self._encoded(self.tokenize(text)).context
        return context_of

    def _encoded(self, tokens: Any) -> Any:
        texts = {_ENCODERS[name]: text for name, text in tokens.items() if name in _ENCODERS and isinstance(text, str)}
        text = getattr(tokens, "text", "")
        whole = text if len(set(texts.values())) <= 1 and (not texts or text in texts.values()) else texts
        return encode_prompt(context(), self.ours, whole)


class WrappedVae(Wrapped):
    """VAE: pictures in, latents out, and back."""

    title = "VAE"
    device = output_device = CPU

    def __init__(self, ours: Vae) -> None:
        super().__init__(ours)
        space = ours.space
        self.latent_channels, self.latent_dim = space.channels, space.dims
        self.downscale_ratio = self.upscale_ratio = space.factors[-1]
        self.output_channels = 3
        self.vae_dtype = torch.float32

    def encode(self, pixels: Tensor) -> Tensor:
        """The latent of pictures [batch, height, width, 3]."""
        return diffusion.vae.encode(context(), self.ours, pixels.detach().to(CPU, torch.float32))

    def decode(self, samples: Tensor, **_: Any) -> Tensor:
        """The pictures of a latent."""
        return diffusion.vae.decode(context(), self.ours, samples.detach().to(CPU, torch.float32))

    def encode_tiled(self, pixels: Tensor, tile_x: int = 512, overlap: int = 64, **_: Any) -> Tensor:
        """Like :meth:`encode`, in tiles of so many pixels."""
        return diffusion.vae.encode_tiled(
            context(), self.ours, pixels.detach().to(CPU, torch.float32), tile_px=int(tile_x), overlap_px=int(overlap)
        )

    def decode_tiled(self, samples: Tensor, tile_x: int = 64, overlap: int = 16, **_: Any) -> Tensor:
        """Like :meth:`decode`, in tiles; ``tile_x`` and ``overlap`` are in latent cells."""
        factor = self.ours.space.factors[-1]
        return diffusion.vae.decode_tiled(
            context(),
            self.ours,
            samples.detach().to(CPU, torch.float32),
            tile_px=int(tile_x) * factor,
            overlap_px=int(overlap) * factor,
        )

    def spacial_compression_encode(self) -> int:
        """For how many pixels one cell stands."""
        factor: int = self.ours.space.factors[-1]
        return factor

    spacial_compression_decode = spacial_compression_encode

    def get_sd(self) -> Any:
        """Weights are not handed out."""
        return missing("comfy VAE", "get_sd")()


class WrappedUpscaler(Wrapped):
    """UPSCALE_MODEL: ``scale``, and calling it on pictures [batch, 3, height, width]."""

    title = "UPSCALE_MODEL"

    def __init__(self, ours: UpscaleModel) -> None:
        super().__init__(ours)
        self.scale = ours.scale

    def to(self, *_: Any, **__: Any) -> WrappedUpscaler:
        """It stays where our model store has it."""
        return self

    def eval(self) -> WrappedUpscaler:
        """It is."""
        return self

    def __call__(self, planes: Tensor) -> Tensor:
        from nodes.upscale import upscale_with_model

        pixels = planes.detach().to(CPU, torch.float32).movedim(1, -1)
        made = upscale_with_model(context(), upscale_model=self.ours, image=Image(pixels))
        return made.pixels.movedim(-1, 1)


class WrappedVision(Wrapped):
    """CLIP_VISION: pictures in, what it saw of them out."""

    title = "CLIP_VISION"

    def encode_image(self, image: Tensor, crop: Any = True) -> Any:
        """What it sees in pictures [batch, height, width, 3]."""
        from nodes.packs.host.core_nodes import called

        cropped = {True: "center", False: "none"}.get(crop, crop)
        return called("CLIPVisionEncode", clip_vision=self, image=image, crop=cropped)[0]


class WrappedSeen(Wrapped):
    """CLIP_VISION_OUTPUT."""

    title = "CLIP_VISION_OUTPUT"

    def __init__(self, ours: ClipVisionOutput) -> None:
        super().__init__(ours)
        self.last_hidden_state, self.penultimate_hidden_states = ours.last_hidden, ours.penultimate_hidden
        self.image_embeds = ours.summary

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class WrappedVideo(Wrapped):
    """VIDEO."""

    title = "VIDEO"

    def get_components(self) -> Any:
        """Pictures, sound and rate."""
        from nodes.video import get_components

        made = get_components(context(), video=self.ours)
        audio = None if made.audio is None else {
            "waveform": made.audio.waveform.clone(), "sample_rate": made.audio.sample_rate_hz,
        }  # fmt: skip
        rate = Fraction(made.fps).limit_denominator(1001 * 240)
        return SimpleNamespace(images=made.images.pixels.clone(), audio=audio, frame_rate=rate, metadata=None)

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""
        from nodes.media import saving

        return saving.size(self.ours)


def video_to_ours(value: Any) -> Video:
    """A pack's film, which has ``get_components``."""
    parts = value.get_components()
    audio = parts.audio
    sound = (
        None if audio is None else Audio(audio["waveform"].detach().to(CPU, torch.float32), int(audio["sample_rate"]))
    )
    pixels = parts.images.detach().to(CPU, torch.float32)
    return Video(frames=Image(pixels), frame_rate=Fraction(parts.frame_rate), audio=sound)


class WrappedControl(Wrapped):
    """CONTROL_NET."""

    title = "CONTROL_NET"


class WrappedStyle(Wrapped):
    """STYLE_MODEL."""

    title = "STYLE_MODEL"


WRAPPERS: Mapping[type, Callable[[Any], Wrapped]] = {
    Model: WrappedModel,
    Clip: WrappedClip,
    Vae: WrappedVae,
    UpscaleModel: WrappedUpscaler,
    ClipVision: WrappedVision,
    ClipVisionOutput: WrappedSeen,
    ControlNet: WrappedControl,
    StyleModel: WrappedStyle,
    Video: WrappedVideo,
}
