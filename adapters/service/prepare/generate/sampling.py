"""The nodes that sample: one sampler, or a base model with its refiner, and a second pass at a larger size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.service.prepare.generate.choices import any_refiner, chosen_refiner
from adapters.service.prepare.generate.parameters import PictureParameters, RefinerParameters
from adapters.service.prepare.generate.prompt import Link, Prompt, output
from engine.folders import Folders

_IMAGE_STRENGTH = 0.75
_TO_THE_END = 10_000
# The aesthetic scores with which SDXL's refiner was trained to tell good from bad.
_GOOD, _BAD = 6.0, 2.5


@dataclass(frozen=True, slots=True)
class SamplerInputs:
    """What a sampler takes: the model with its two conditionings, and the latent to start from."""

    model: Link
    positive: Link
    negative: Link
    latent: Link


def sampled(
    prompt: Prompt,
    parameters: PictureParameters,
    folders: Folders,
    drawing: SamplerInputs,
    seed: int,
    side_px: tuple[int, int],
) -> Link:
    """The sampled latent. ``side_px``: width and height of the picture. Raises ``ModelMissing`` for no refiner."""
    if parameters.refiner is None:
        drawn = _once(prompt, "Sampler", parameters, drawing, seed, parameters.steps, denoise_of(parameters))
    else:
        drawing, drawn = _with_refiner(prompt, parameters, parameters.refiner, folders, drawing, seed, side_px)
    if (hires := parameters.hires) is None:
        return drawn
    larger = prompt.add("LatentUpscaleBy", "Larger", samples=drawn, upscale_method=hires.method, scale_by=hires.scale)
    again = SamplerInputs(drawing.model, drawing.positive, drawing.negative, output(larger))
    steps = hires.steps or parameters.steps
    return _once(prompt, "Second sampler", parameters, again, seed, steps, hires.strength)


def without_useless_refiner(
    parameters: PictureParameters, folders: Folders
) -> tuple[PictureParameters, tuple[str, ...]]:
    """The same without a refiner that is not required and cannot be used, and a note that says why."""
    refiner = parameters.refiner
    if refiner is None or refiner.required:
        return parameters, ()
    if parameters.image is not None:
        note = "a picture is changed by one model: the refiner's settings have no effect"
    elif refiner.model is None and not any_refiner(folders):
        note = "there is no refiner among the checkpoints: its settings have no effect"
    else:
        return parameters, ()
    return parameters.model_copy(update={"refiner": None}), (note,)


def denoise_of(parameters: PictureParameters) -> float:
    """How much of what it starts from the sampler changes, 0 to 1."""
    if parameters.image is None:
        return 1.0
    if parameters.strength is not None:
        return parameters.strength
    return _IMAGE_STRENGTH if parameters.mask is None else 1.0


def _once(
    prompt: Prompt,
    title: str,
    parameters: PictureParameters,
    drawing: SamplerInputs,
    seed: int,
    steps: int,
    denoise: float,
) -> Link:
    return output(
        prompt.add("KSampler", title, **_inputs(parameters, drawing), seed=seed, steps=steps, denoise=denoise)
    )


def _with_refiner(
    prompt: Prompt,
    parameters: PictureParameters,
    refiner: RefinerParameters,
    folders: Folders,
    drawing: SamplerInputs,
    seed: int,
    side_px: tuple[int, int],
) -> tuple[SamplerInputs, Link]:
    """What the refiner draws with, and what it drew; it goes on from the noise that the base model leaves."""
    name = chosen_refiner(folders, refiner.model)
    loader = prompt.add("CheckpointLoaderSimple", "Load refiner", ckpt_name=name)
    texts = (
        ("Refiner positive", parameters.prompt, _GOOD),
        ("Refiner negative", parameters.negative_prompt, _BAD),
    )
    width, height = side_px
    positive, negative = (
        output(
            prompt.add(
                "CLIPTextEncodeSDXLRefiner",
                title,
                ascore=score,
                width=width,
                height=height,
                text=text,
                clip=output(loader, 1),
            )
        )
        for title, text, score in texts
    )
    base_steps, steps = parameters.steps, refiner.steps or parameters.steps
    base = prompt.add(
        "KSamplerAdvanced",
        "Sampler",
        **_inputs(parameters, drawing),
        add_noise="enable",
        noise_seed=seed,
        steps=base_steps,
        start_at_step=0,
        end_at_step=round(base_steps * refiner.start),
        return_with_leftover_noise="enable",
    )
    rest = SamplerInputs(output(loader, 0), positive, negative, output(base))
    last = prompt.add(
        "KSamplerAdvanced",
        "Refiner",
        **_inputs(parameters, rest),
        add_noise="disable",
        noise_seed=seed,
        steps=steps,
        start_at_step=round(steps * refiner.start),
        end_at_step=_TO_THE_END,
        return_with_leftover_noise="disable",
    )
    return rest, output(last)


def _inputs(parameters: PictureParameters, drawing: SamplerInputs) -> dict[str, Any]:
    return {
        "model": drawing.model,
        "positive": drawing.positive,
        "negative": drawing.negative,
        "latent_image": drawing.latent,
        "cfg": parameters.cfg,
        "sampler_name": parameters.sampler,
        "scheduler": parameters.scheduler,
    }
