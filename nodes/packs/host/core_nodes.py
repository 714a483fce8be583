"""``nodes``: ComfyUI's own classes as objects, over ours; and its functions that packs sample and save by."""

from __future__ import annotations

import functools
import json
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from engine.inputs import MAX_SIDE_PX, Choice
from engine.object_info import object_info
from engine.schema import InputSpec, NodeSpec
from engine.types import Blocked
from nodes.packs import running
from nodes.packs.host import folder_paths
from nodes.packs.host import sample as sampling
from nodes.packs.missing import HostLacks
from nodes.packs.values import CallInputs, to_ours, to_theirs

MAX_RESOLUTION = MAX_SIDE_PX


def called(name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """Run one of our classes on a pack's values; its outputs as the pack knows them.

    Positional values go to the inputs that they fit, in order, since ComfyUI's functions have them in orders of their
    own. Raises ``HostLacks`` for a class that is not here.
    """
    spec = running.classes().get(name)
    if spec is None:
        raise HostLacks(f"the pack calls ComfyUI's class {name}, which is not here")
    given, ctx = CallInputs(), running.context()
    arguments = {**_bound(spec, args, kwargs), **{k: v for k, v in kwargs.items() if k in spec.inputs}}
    ours = {key: to_ours(value, spec.inputs[key].wire, given) for key, value in arguments.items()}
    defaults = {s.name: s.default for s in spec.given_inputs if s.required and s.is_widget and s.name not in ours}
    made = spec.run(ctx, **defaults, **ours)
    if isinstance(made, Blocked) or made is None:
        return ()
    several = (isinstance(made, tuple) and len(spec.outputs) > 1) or hasattr(made, "_fields")
    return tuple(to_theirs(value) for value in (made if several else (made,)))


def _bound(spec: NodeSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    free = [one for one in spec.given_inputs if one.name not in kwargs]
    bound: dict[str, Any] = {}
    for value in args:
        place = next((n for n, one in enumerate(free) if _fits(one, value)), None)
        if place is None:
            raise TypeError(f"{spec.name} has no input for a {type(value).__name__}")
        bound[free.pop(place).name] = value
    return bound


def _fits(spec: InputSpec, value: Any) -> bool:
    if value is None:
        return not spec.required
    ours = to_ours(value, "*", CallInputs())
    wire = getattr(type(ours), "wire", None)
    if isinstance(value, torch.Tensor):
        return spec.wire in ("IMAGE", "MASK", "SIGMAS", "*")
    return spec.wire in (wire, "*") if isinstance(wire, str) else spec.is_widget


class _CoreClass(type):
    """The class of ComfyUI's node classes: what they declare is read off ours."""

    _spec_name: str

    @property
    def _spec(cls) -> NodeSpec:
        found: NodeSpec = running.classes()[cls._spec_name]
        return found

    @property
    def RETURN_TYPES(cls) -> tuple[str, ...]:
        return tuple(output.wire for output in cls._spec.outputs)

    @property
    def RETURN_NAMES(cls) -> tuple[str, ...]:
        return tuple(output.name for output in cls._spec.outputs)

    @property
    def CATEGORY(cls) -> str:
        return cls._spec.category

    def __getattr__(cls, name: str) -> Any:
        """Lists of choices that some classes have for themselves (``upscale_methods``, ``crop_methods``)."""
        spec = running.classes().get(cls.__dict__.get("_spec_name", ""))
        known = {} if spec is None or name.startswith("_") else spec.inputs
        choices = {f"{one.name}s": one.marker.values for one in known.values() if isinstance(one.marker, Choice)}
        choices |= {"crop_methods": choices["crops"]} if "crops" in choices else {}
        if name not in choices:
            raise AttributeError(name)
        return list(choices[name])


class CoreNode(metaclass=_CoreClass):
    """One of ComfyUI's classes. Whatever its method is called, it runs the class."""

    _spec_name = ""
    FUNCTION = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """The inputs as ComfyUI's classes declare them."""
        described = object_info(running.classes()[cls._spec_name], running.folders())["input"]
        return {
            group: {n: tuple(one) if isinstance(one, list) else one for n, one in given.items()}
            for group, given in described.items()
        }

    def execute(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run it."""
        return called(self._spec_name, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.execute


@functools.cache
def core_class(name: str) -> Any:
    """The class of that name."""
    return _CoreClass(name, (CoreNode,), {"_spec_name": name, "__module__": "nodes"})


class _Mappings(Mapping[str, Any]):
    """All classes by name, made when they are asked for."""

    def __getitem__(self, name: str) -> Any:
        own = globals().get(name)
        if name not in running.classes():
            raise KeyError(name)
        return own if isinstance(own, type) and name in ("SaveImage", "PreviewImage") else core_class(name)

    def __iter__(self) -> Iterator[str]:
        return iter(running.classes())

    def __len__(self) -> int:
        return len(running.classes())

    def update(self, *_: Any, **__: Any) -> None:
        """Packs register by their own mappings."""


NODE_CLASS_MAPPINGS = _Mappings()
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
EXTENSION_WEB_DIRS: dict[str, str] = {}


class SaveImage:
    """Writes pictures into the output folder; packs derive from it and change where and how."""

    FUNCTION = "save_images"
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    CATEGORY = "image"
    DESCRIPTION = "Saves the input images to your ComfyUI output directory."

    def __init__(self) -> None:
        self.output_dir, self.type = folder_paths.get_output_directory(), "output"
        self.prefix_append, self.compress_level = "", 4

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Pictures and a prefix; the request goes into the files."""
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self, images: Any, filename_prefix: str = "ComfyUI", prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        """Write each picture as PNG; returns what is shown."""
        from PIL import Image as Pillow
        from PIL.PngImagePlugin import PngInfo

        from nodes.pictures import encode

        height, width = images[0].shape[:2]
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix + self.prefix_append, self.output_dir, width, height
        )
        texts = PngInfo()
        for key, value in {"prompt": prompt, **(extra_pnginfo or {})}.items():
            if value is not None:
                texts.add_text(key, json.dumps(value))
        shown = []
        for number, image in enumerate(images):
            file = f"{name.replace('%batch_num%', str(number))}_{counter + number:05}_.png"
            Pillow.fromarray(encode.levels(image.detach().cpu())).save(
                Path(folder, file), pnginfo=texts, compress_level=self.compress_level
            )
            shown.append({"filename": file, "subfolder": subfolder, "type": self.type})
        return {"ui": {"images": shown}}


class PreviewImage(SaveImage):
    """Writes pictures into the temp folder."""

    def __init__(self) -> None:
        super().__init__()
        self.output_dir, self.type = folder_paths.get_temp_directory(), "temp"
        self.prefix_append = "_temp_" + "".join(random.choices("abcdefghijklmnopqrstupvxyz", k=5))  # noqa: S311 - a name
        self.compress_level = 1

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Pictures; the request goes into the files."""
        return {
            "required": {"images": ("IMAGE",)},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: Mapping[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[dict[str, Any]]:
    """What KSampler and KSamplerAdvanced do."""
    samples = sampling.fix_empty_latent_channels(model, latent["samples"])
    noise = (
        torch.zeros_like(samples) if disable_noise else sampling.prepare_noise(samples, seed, latent.get("batch_index"))
    )
    made = sampling.sample(
        model,
        noise,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        samples,
        denoise=denoise,
        disable_noise=disable_noise,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        noise_mask=latent.get("noise_mask"),
        seed=seed,
    )
    return ({**latent, "samples": made},)


def before_node_execution() -> None:
    """Stop where the run is cancelled."""
    running.context().check_cancelled()


def interrupt_processing(value: bool = True) -> None:
    """Runs are cancelled by their owners."""


def node_path() -> str:
    """The folder of this module."""
    return os.path.dirname(__file__)


def __getattr__(name: str) -> Any:
    if name in running.classes():
        return core_class(name)
    # Packs look here for what they put here; only what they import by name has a stand-in.
    raise AttributeError(name)
