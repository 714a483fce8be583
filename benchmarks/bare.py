"""The same pictures by a bare diffusers pipeline, from the same file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DagfusionError

if TYPE_CHECKING:
    import torch

    from engine.engine import Engine

# Published for Stable Diffusion 1.x and XL; Karras' noise levels, as in the workflow that is drawn.
_NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "use_karras_sigmas": True,
}
_SCHEDULERS = {"euler": "EulerDiscreteScheduler", "dpmpp_2m": "DPMSolverMultistepScheduler"}
_PREDICTIONS = {"eps": "epsilon", "v": "v_prediction"}


class BarePipeline:
    """diffusers' own pipeline with networks of its own, all in one number format, on the engine's device."""

    def __init__(self, engine: Engine, checkpoint: str, sampler: str, dtype: torch.dtype) -> None:
        self._pipeline = _pipeline(engine, checkpoint, sampler, dtype)
        self._pipeline.set_progress_bar_config(disable=True)
        self._device = engine.models.device

    @property
    def weight_bytes(self) -> tuple[int, int]:
        """Bytes of the denoiser's weights, read in each step, and of all others, read once."""
        modules = [part for part in self._pipeline.components.values() if hasattr(part, "parameters")]
        total = sum(parameter.nbytes for module in modules for parameter in module.parameters())
        denoiser = sum(parameter.nbytes for parameter in self._pipeline.unet.parameters())
        return denoiser, total - denoiser

    def draw(self, prompt: str, *, size_px: int, steps: int, seed: int, cfg: float, file: Path | None = None) -> Any:
        """The picture (PIL); written to ``file`` as PNG, where one is named."""
        import torch

        noise = torch.randn(1, 4, size_px // 8, size_px // 8, generator=torch.Generator().manual_seed(seed))
        (picture,) = self._pipeline(
            prompt,
            negative_prompt="",
            height=size_px,
            width=size_px,
            num_inference_steps=steps,
            guidance_scale=cfg,
            latents=noise.to(self._device, self._pipeline.unet.dtype),
        ).images
        if file is not None:
            picture.save(file, compress_level=4)
        return picture


def _pipeline(engine: Engine, name: str, sampler: str, dtype: torch.dtype) -> Any:
    """Raises ``DagfusionError`` for samplers that no scheduler of diffusers is named for here."""
    import diffusers
    from torch import nn

    from benchmarks.diffusers_modules import diffusers_unet, diffusers_vae, transformers_clip
    from nodes.diffusion.checkpoints import load_checkpoint

    if sampler not in _SCHEDULERS:
        known = ", ".join(_SCHEDULERS)
        raise DagfusionError(f"no scheduler of diffusers is named for '{sampler}'", remedy=f"one of: {known}")
    checkpoint = load_checkpoint(engine.folders.find("checkpoints", name))
    prediction = _PREDICTIONS[checkpoint.model.parameterization.prediction]
    scheduler = getattr(diffusers, _SCHEDULERS[sampler])(**_NOISE, prediction_type=prediction)
    unet, *encoders, vae = (weights.build() for weights in checkpoint.networks)
    own = [diffusers_unet(unet), *map(transformers_clip, encoders), diffusers_vae(vae)]
    # Any: a Module says of each of its attributes that it may be a tensor.
    moved: list[Any] = [nn.Module.to(module, engine.models.device, dtype) for module in own]
    unet, *encoders, vae = moved
    parts = {
        "unet": unet,
        "vae": vae,
        "scheduler": scheduler,
        "text_encoder": encoders[0].text_model,
        "tokenizer": _tokenizer("<|endoftext|>"),
    }
    if len(encoders) == 1:
        return diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    second = {"text_encoder_2": encoders[1], "tokenizer_2": _tokenizer("!")}
    return diffusers.StableDiffusionXLPipeline(**parts, **second, add_watermarker=False)


def _tokenizer(padding: str) -> Any:
    from transformers import CLIPTokenizer

    from nodes.diffusion.text.tokenizer import vocabulary

    tokens, merges = vocabulary()
    return CLIPTokenizer(vocab=tokens, merges=merges, pad_token=padding, model_max_length=77)
