"""Requests in diffusers' words, as serverless SDXL workers take them, as this program's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.service.prepare.generate.parameters import PictureParameters
from engine.errors import InputInvalid

_NAMES: Mapping[str, str] = {
    "num_inference_steps": "steps",
    "guidance_scale": "cfg",
    "num_images": "batch",
    "num_images_per_prompt": "batch",
    "image_url": "image",
    "init_image": "image",
    "mask_url": "mask",
    "mask_image": "mask",
    "scheduler": "scheduler",
    "lora_weights": "loras",
}
_CONTROL_NAMES: Mapping[str, str] = {
    "control_image": "image",
    "control_image_url": "image",
    "control_type": "type",
    "control_mode": "mode",
    "controlnet": "model",
    "controlnet_model": "model",
    "controlnet_conditioning_scale": "strength",
    "control_guidance_start": "start",
    "control_guidance_end": "end",
    "preprocess": "preprocess",
}
# Their schedulers are a sampler and a schedule here.
_SCHEDULERS: Mapping[str, tuple[str, str]] = {
    "DDIM": ("ddim", "ddim_uniform"),
    "DDIMScheduler": ("ddim", "ddim_uniform"),
    "DDPM": ("ddpm", "normal"),
    "DPMSolverMultistep": ("dpmpp_2m", "normal"),
    "DPMSolverMultistepScheduler": ("dpmpp_2m", "normal"),
    "DPM++2MKarras": ("dpmpp_2m", "karras"),
    "DPMSolverSinglestep": ("dpmpp_2s_ancestral", "normal"),
    "EulerDiscreteScheduler": ("euler", "normal"),
    "EulerAncestralDiscreteScheduler": ("euler_ancestral", "normal"),
    "HeunDiscreteScheduler": ("heun", "normal"),
    "K_EULER": ("euler", "normal"),
    "K_EULER_ANCESTRAL": ("euler_ancestral", "normal"),
    "KLMS": ("lms", "normal"),
    "LCMScheduler": ("lcm", "sgm_uniform"),
    "LMSDiscreteScheduler": ("lms", "normal"),
    "PNDM": ("ipndm", "normal"),
    "PNDMScheduler": ("ipndm", "normal"),
    "UniPC": ("uni_pc", "normal"),
    "UniPCMultistepScheduler": ("uni_pc", "normal"),
}
_REFINER_NAMES: Mapping[str, str] = {"refiner_inference_steps": "steps", "high_noise_frac": "start"}
_IGNORED = frozenset({"variant", "torch_dtype"})  # how files are read, which the files themselves say


def translated(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request's members under the names of :class:`PictureParameters`; own names pass as they are.

    Raises ``InputInvalid`` for a scheduler that is not known, or two names of one thing.
    """
    found: dict[str, Any] = {}
    control: dict[str, Any] = {}
    refiner: dict[str, Any] = {}
    for name, value in request.items():
        if name in _IGNORED or value is None:
            continue
        target, key = found, _NAMES.get(name, name)
        if name in _CONTROL_NAMES:
            target, key = control, _CONTROL_NAMES[name]
        elif name in _REFINER_NAMES:
            target, key = refiner, _REFINER_NAMES[name]
        if key in target:
            raise InputInvalid(f"'{name}' says again what another member says", input=name, remedy="give one of them")
        target[key] = value
    if "scheduler" in found and "sampler" not in found:
        found["sampler"], found["scheduler"] = _sampler(found["scheduler"])
    if control:
        found["controls"] = [*found.get("controls", []), control]
    if refiner:
        # Their clients send these to every worker, also where there is no refiner.
        found["refiner"] = {"required": False} | found.get("refiner", {}) | refiner
    return found


def _sampler(scheduler: Any) -> tuple[str, str]:
    from nodes.choices import SCHEDULER_NAMES

    if scheduler in SCHEDULER_NAMES:
        return PictureParameters.model_fields["sampler"].default, scheduler
    known = _SCHEDULERS.get(scheduler) if isinstance(scheduler, str) else None
    if known is None:
        names = ", ".join(_SCHEDULERS)
        raise InputInvalid(f"scheduler {scheduler!r:.60} is not known", input="scheduler", remedy=f"there are: {names}")
    return known
