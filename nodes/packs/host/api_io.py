"""``comfy_api.latest.io``: the V3 way to declare a class, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nodes.packs.missing import missing

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


class Hidden:
    """What the host fills in."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"  # noqa: S105 - a name
    api_key_comfy_org = "API_KEY_COMFY_ORG"


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


@dataclass
class Schema:
    """What a class is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    search_aliases: list[str] = field(default_factory=list)
    essentials_category: str | None = None
    has_intermediate_output: bool = False
    price_badge: Any = None


class NodeOutput:
    """What a class returns."""

    is_node_output = True

    def __init__(self, *args: Any, ui: Any = None, expand: Any = None, block_execution: str | None = None) -> None:
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution

    @property
    def result(self) -> tuple[Any, ...]:
        """The outputs' values."""
        return self.args

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class _HiddenValues:
    """The hidden values of a call, by attribute."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update({str(name).lower(): value for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class ComfyNode:
    """A class of nodes: ``define_schema`` and ``execute``, without state."""

    hidden: ClassVar[Any] = _HiddenValues({})

    @classmethod
    def define_schema(cls) -> Schema:
        """What it is."""
        raise NotImplementedError(f"{cls.__name__} has no define_schema")

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        """What it says it is."""
        return cls.define_schema()

    @classmethod
    def bound_to(cls, hidden: Mapping[str, Any]) -> Any:
        """The class for one call, with its hidden values."""
        return type(cls.__name__, (cls,), {"hidden": _HiddenValues(hidden), "__module__": cls.__module__})

    @classmethod
    def validate_inputs(cls, **_: Any) -> Any:
        """Whether the values are taken: all, unless a class says otherwise."""
        return True

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> Any:
        """What else its result depends on: nothing, unless a class says otherwise."""
        return None

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """The inputs that it needs: all, unless a class says otherwise."""
        return [name for name, value in inputs.items() if value is None]


for _inherited in ("validate_inputs", "fingerprint_inputs", "check_lazy_status"):
    getattr(ComfyNode, _inherited).__func__.inherited = True


def comfytype(io_type: str, **_: Any) -> Any:
    """Declares a class to be a type of values."""

    def declare(kind: type) -> type:
        return type(kind.__name__, (kind, ComfyType), {"io_type": io_type})

    return declare


def __getattr__(name: str) -> Any:
    return missing("comfy_api.latest.io", name)
