"""``comfy_api.latest.io``, types: the inputs and outputs that a V3 class declares, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SHOWN = ("default", "min", "max", "step", "round", "multiline", "placeholder", "label_on", "label_off", "tooltip")


class Input:
    """One input of a schema. ``shown``: its options as user interfaces read them."""

    def __init__(self, io_type: str, id: str, *, optional: bool = False, **options: Any) -> None:
        self.io_type, self.id, self.optional = io_type, id, optional
        self.choices: Any = ()
        self.shown = {name: options[name] for name in _SHOWN if options.get(name) is not None}
        named = {
            "lazy": "lazy",
            "force_input": "forceInput",
            "dynamic_prompts": "dynamicPrompts",
            "control_after_generate": "control_after_generate",
        }
        self.shown |= {key: True for name, key in named.items() if options.get(name)}
        self.options: Any = ()

    @property
    def name(self) -> str:
        """Its id."""
        return self.id


class Output:
    """One output of a schema."""

    def __init__(
        self,
        io_type: str,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
        **_: Any,
    ) -> None:
        self.io_type, self.id, self.display_name = io_type, id, display_name
        self.tooltip, self.is_output_list = tooltip, is_output_list


class ComfyType:
    """A type of values, with its inputs and outputs."""

    io_type = "*"
    Type: Any = Any

    @classmethod
    def _typed(cls) -> str:
        return cls.io_type

    @classmethod
    def Input(cls, id: str, display_name: str | None = None, **options: Any) -> Input:
        """An input of this type."""
        return Input(cls._typed(), id, **options)

    @classmethod
    def Output(cls, id: str | None = None, display_name: str | None = None, **options: Any) -> Output:
        """An output of this type."""
        return Output(cls._typed(), id, display_name, **options)


def Custom(io_type: str) -> Any:
    """A type of a pack's own."""
    return type(io_type, (ComfyType,), {"io_type": io_type})


IO_TYPES = {
    "Boolean": "BOOLEAN",
    "Int": "INT",
    "Float": "FLOAT",
    "String": "STRING",
    "Image": "IMAGE",
    "Mask": "MASK",
    "Latent": "LATENT",
    "Conditioning": "CONDITIONING",
    "Sampler": "SAMPLER",
    "Sigmas": "SIGMAS",
    "Noise": "NOISE",
    "Guider": "GUIDER",
    "Clip": "CLIP",
    "ControlNet": "CONTROL_NET",
    "Vae": "VAE",
    "Model": "MODEL",
    "ClipVision": "CLIP_VISION",
    "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "StyleModel": "STYLE_MODEL",
    "Gligen": "GLIGEN",
    "UpscaleModel": "UPSCALE_MODEL",
    "LatentUpscaleModel": "LATENT_UPSCALE_MODEL",
    "Audio": "AUDIO",
    "Video": "VIDEO",
    "SVG": "SVG",
    "Mesh": "MESH",
    "Voxel": "VOXEL",
    "LoraModel": "LORA_MODEL",
    "Hooks": "HOOKS",
    "HookKeyframes": "HOOK_KEYFRAMES",
    "TimestepsRange": "TIMESTEPS_RANGE",
    "LatentOperation": "LATENT_OPERATION",
    "FlowControl": "FLOW_CONTROL",
    "Accumulation": "ACCUMULATION",
    "ModelPatch": "MODEL_PATCH",
    "AudioEncoder": "AUDIO_ENCODER",
    "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT",
    "Tracks": "TRACKS",
    "Color": "COLOR",
    "BoundingBox": "BOUNDING_BOX",
    "Photomaker": "PHOTOMAKER",
    "Point": "POINT",
    "FaceAnalysis": "FACE_ANALYSIS",
    "BBOX": "BBOX",
    "SEGS": "SEGS",
    "AnyType": "*",
}
globals().update({name: Custom(io_type) for name, io_type in IO_TYPES.items()})


class Combo(ComfyType):
    """A choice."""

    io_type = "COMBO"

    @classmethod
    def Input(cls, id: str, options: Any = (), display_name: str | None = None, **more: Any) -> Input:  # type: ignore[override]
        """A choice of ``options``: a list, or an enumeration."""
        upload = more.pop("upload", None)
        made = Input("COMBO", id, **more)
        if upload is not None:
            made.shown[str(getattr(upload, "value", upload))] = True
        listed = options if isinstance(options, list | tuple) else [getattr(one, "value", one) for one in options or ()]
        made.choices = listed
        return made


class MultiCombo(Combo):
    """Several choices."""


class MultiType(ComfyType):
    """Any of several types."""

    @classmethod
    def Input(cls, id: Any, types: Any = (), display_name: str | None = None, **options: Any) -> Input:  # type: ignore[override]
        """An input that takes values of all ``types``."""
        names = ",".join(dict.fromkeys(kind.io_type for kind in types))
        if isinstance(id, Input):  # A widget whose value may come from these too.
            id.io_type = f"{id.io_type},{names}"
            return id
        return Input(names or "*", id, **options)


class MatchType(ComfyType):
    """Inputs and outputs of one type, whichever it is."""

    class Template:
        """Which inputs and outputs go together."""

        def __init__(self, template_id: str, allowed_types: Any = ()) -> None:
            allowed = allowed_types if isinstance(allowed_types, list | tuple) else [allowed_types]
            self.template_id = template_id
            self.io_type = ",".join(kind.io_type for kind in allowed) or "*"

    @classmethod
    def Input(cls, id: str, template: Any = None, display_name: str | None = None, **options: Any) -> Input:  # type: ignore[override]
        """An input of the template's type."""
        return Input("*" if template is None else template.io_type, id, **options)

    @classmethod
    def Output(  # type: ignore[override]
        cls, template: Any = None, id: str | None = None, display_name: str | None = None, **more: Any
    ) -> Output:
        """An output of the template's type."""
        return Output("*", id, display_name, **more)


class DynamicCombo(ComfyType):
    """A choice whose options have inputs of their own."""

    @dataclass
    class Option:
        """One of them."""

        key: str
        inputs: list[Input]

    @classmethod
    def Input(cls, id: str, options: Any = (), display_name: str | None = None, **more: Any) -> Input:  # type: ignore[override]
        """The choice."""
        made = Input("COMFY_DYNAMICCOMBO_V3", id, **more)
        made.options = list(options)
        return made


class Autogrow(ComfyType):
    """As many inputs of a kind as are connected."""

    Type = dict

    @dataclass
    class TemplatePrefix:
        """Inputs that are called by a prefix and their number."""

        input: Any
        prefix: str
        min: int = 1
        max: int = 10

    @dataclass
    class TemplateNames:
        """Inputs that are called by names."""

        input: Any
        names: list[str]
        min: int = 1

    @classmethod
    def Input(cls, id: str, template: Any = None, display_name: str | None = None, **more: Any) -> Input:  # type: ignore[override]
        """The group."""
        return Input("COMFY_AUTOGROW_V3", id, **more)


class NumberDisplay:
    """How numbers are shown."""

    number, slider, gradient_slider = "number", "slider", "gradientslider"


class ControlAfterGenerate:
    """What becomes of a seed after a run."""

    fixed, increment, decrement, randomize = "fixed", "increment", "decrement", "randomize"


class UploadType:
    """What may be uploaded for a choice."""

    image, audio, video, model = "image_upload", "audio_upload", "video_upload", "file_upload"


class FolderType:
    """The run's folders."""

    input, output, temp = "input", "output", "temp"
