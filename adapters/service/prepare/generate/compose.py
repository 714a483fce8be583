"""From parameters to a workflow: the graphs of graphs/, put together as the parameters ask for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.service.prepare.generate.choices import CheckpointFacts, checkpoint_facts, chosen, chosen_checkpoint
from adapters.service.prepare.generate.controls import apply_controls
from adapters.service.prepare.generate.parameters import LoraParameters, PictureParameters
from adapters.service.prepare.generate.prompt import Link, Prompt, output
from adapters.service.prepare.generate.sampling import SamplerInputs, sampled, without_useless_refiner
from engine.folders import Folders

_MAX_RANDOM_SEED = 2**32


@dataclass(frozen=True)
class Composition:
    """A workflow in API form, the seed that it has, and its input files by the names that it has for them.

    ``notes``: what of the parameters had no effect.
    """

    nodes: Mapping[str, Any]
    seed: int
    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass
class _Parts:
    """What has been built so far."""

    prompt: Prompt = field(default_factory=Prompt)
    files: dict[str, str] = field(default_factory=dict)

    def load(self, class_type: str, title: str, name: str, source: str, **inputs: Any) -> Link:
        self.files[name] = source
        return output(self.prompt.add(class_type, title, image=name, **inputs))


def compose(parameters: PictureParameters, folders: Folders, preferred: Sequence[str] = ()) -> Composition:
    """The workflow. ``preferred``: checkpoints to take first where none is named. Reads the checkpoint's header.

    Raises ``ModelMissing`` where something is to be chosen and there is nothing to choose from.
    """
    parameters, notes = without_useless_refiner(parameters, folders)
    seed = secrets.randbelow(_MAX_RANDOM_SEED) if parameters.seed is None else parameters.seed
    name = chosen_checkpoint(folders, parameters.model, preferred)
    facts = checkpoint_facts(folders.find("checkpoints", name))
    parts = _Parts()
    add = parts.prompt.add
    checkpoint = add("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=name)
    model, clip = _with_loras(parts.prompt, output(checkpoint, 0), output(checkpoint, 1), parameters.loras)
    if (cache := parameters.deepcache) is not None:
        steps = {"start_step": cache.start_step, "end_step": cache.end_step}
        model = output(
            add("DeepCache", "DeepCache", model=model, cache_interval=cache.interval, cache_depth=cache.depth, **steps)
        )
    vae = output(checkpoint, 2)
    if parameters.vae is not None:
        vae = output(add("VAELoader", "Load VAE", vae_name=parameters.vae))
    if parameters.clip_skip is not None:
        clip = output(add("CLIPSetLastLayer", "Clip skip", clip=clip, stop_at_clip_layer=-parameters.clip_skip))
    positive = output(add("CLIPTextEncode", "Positive", text=parameters.prompt, clip=clip))
    negative = output(add("CLIPTextEncode", "Negative", text=parameters.negative_prompt, clip=clip))
    positive, negative = apply_controls(parts.prompt, parts.files, folders, parameters.controls, positive, negative)
    start = _start(parts, parameters, facts, vae, positive, negative)
    drawing = SamplerInputs(model, start.positive, start.negative, start.latent)
    sides = parameters.width or facts.side_px, parameters.height or facts.side_px
    drawn = sampled(parts.prompt, parameters, folders, drawing, seed, sides)
    picture = output(add("VAEDecode", "Decode", samples=drawn, vae=vae))
    picture = _finished(parts.prompt, parameters, folders, start, picture)
    add("SaveImage", "Save", images=picture, filename_prefix="generate")
    return Composition(parts.prompt.nodes, seed, parts.files, notes)


@dataclass
class _Start:
    """What the sampler starts from; ``original`` and ``mask``: what stays outside the mask."""

    positive: Link
    negative: Link
    latent: Link
    original: Link | None = None
    mask: Link | None = None


def _start(
    parts: _Parts, parameters: PictureParameters, facts: CheckpointFacts, vae: Link, positive: Link, negative: Link
) -> _Start:
    add = parts.prompt.add
    if parameters.image is None:
        width, height = parameters.width or facts.side_px, parameters.height or facts.side_px
        size = {"width": width, "height": height, "batch_size": parameters.batch}
        return _Start(positive, negative, output(add("EmptyLatentImage", "Size", **size)))
    image = _scaled(parts.prompt, parameters, parts.load("LoadImage", "Picture", "image", parameters.image))
    if parameters.mask is None:
        latent = output(add("VAEEncode", "Encode", pixels=image, vae=vae))
        return _Start(positive, negative, _repeated(parts.prompt, parameters, latent))
    mask = parts.load("LoadImageMask", "Mask", "mask", parameters.mask, channel="red")
    mask = _scaled_mask(parts.prompt, parameters, mask)
    if facts.inpainting:
        inputs = {"positive": positive, "negative": negative, "vae": vae, "pixels": image, "mask": mask}
        node = add("InpaintModelConditioning", "Only inside the mask", noise_mask=True, **inputs)
        positive, negative, latent = output(node, 0), output(node, 1), output(node, 2)
    else:
        encoded = output(add("VAEEncode", "Encode", pixels=image, vae=vae))
        latent = output(add("SetLatentNoiseMask", "Only inside the mask", samples=encoded, mask=mask))
    return _Start(positive, negative, _repeated(parts.prompt, parameters, latent), image, mask)


def _with_loras(prompt: Prompt, model: Link, clip: Link, loras: Sequence[LoraParameters]) -> tuple[Link, Link]:
    for lora in loras:
        clip_strength = lora.strength if lora.clip_strength is None else lora.clip_strength
        strengths = {"strength_model": lora.strength, "strength_clip": clip_strength}
        node = prompt.add("LoraLoader", "Load LoRA", model=model, clip=clip, lora_name=lora.name, **strengths)
        model, clip = output(node, 0), output(node, 1)
    return model, clip


def _scaled(prompt: Prompt, parameters: PictureParameters, image: Link) -> Link:
    if parameters.width is None:
        return image
    size = {"width": parameters.width, "height": parameters.height}
    return output(prompt.add("ImageScale", "Fit", image=image, upscale_method="lanczos", crop="center", **size))


def _scaled_mask(prompt: Prompt, parameters: PictureParameters, mask: Link) -> Link:
    if parameters.width is None:
        return mask
    picture = _scaled(prompt, parameters, output(prompt.add("MaskToImage", "Mask as picture", mask=mask)))
    return output(prompt.add("ImageToMask", "Picture as mask", image=picture, channel="red"))


def _repeated(prompt: Prompt, parameters: PictureParameters, latent: Link) -> Link:
    if parameters.batch == 1:
        return latent
    return output(prompt.add("RepeatLatentBatch", "Batch", samples=latent, amount=parameters.batch))


def _finished(prompt: Prompt, parameters: PictureParameters, folders: Folders, start: _Start, picture: Link) -> Link:
    if start.original is not None:
        original = start.original
        if parameters.batch > 1:
            original = output(prompt.add("RepeatImageBatch", "Batch", image=original, amount=parameters.batch))
        where = {"x": 0, "y": 0, "resize_source": False}
        parts = {"destination": original, "source": picture, "mask": start.mask}
        picture = output(prompt.add("ImageCompositeMasked", "Keep the rest", **parts, **where))
    if parameters.upscale is not None:
        name = chosen(folders, "upscale_models", parameters.upscale.model)
        loader = prompt.add("UpscaleModelLoader", "Load upscaler", model_name=name)
        upscaled = prompt.add("ImageUpscaleWithModel", "Upscale", upscale_model=output(loader), image=picture)
        picture = output(upscaled)
    return picture
