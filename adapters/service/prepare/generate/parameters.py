"""The parameters of a picture, for those who want no graph."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from engine.inputs import MAX_SEED

Source = Annotated[str, Field(min_length=1, description="Base64, a data URL, or an http(s) URL.")]
Side = Annotated[int, Field(ge=16, le=8192, multiple_of=8)]
Strength = Annotated[float, Field(ge=0, le=1)]
ControlType = Literal[
    "openpose", "depth", "scribble", "canny", "lineart", "mlsd", "normal", "segment", "tile", "repaint"
]

Preprocess = Literal[
    "none", "canny", "color", "scribble", "tile", "depth", "hed", "lineart", "mlsd", "normal", "openpose", "pidinet"
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ControlParameters(_Strict):
    """A picture that guides the drawing, through a ControlNet."""

    image: Source
    type: ControlType = Field(default="canny", description="What the picture shows.")
    model: str | None = Field(default=None, description="A file of `controlnet`; by the type if left out.")
    mode: ControlType | None = Field(default=None, description="Of a union ControlNet; the type if left out.")
    preprocess: Preprocess = Field(
        default="none",
        description="Make it of a photo. `canny`, `color`, `scribble` and `tile` work at once; the others need the "
        "extra `preprocess` and files in `annotators`.",
    )
    # What OpenCV calls 100 and 200, the usual ones for ControlNets: its gradients are 8 x 255 times as large.
    low_threshold: Annotated[float, Field(ge=0.01, le=0.99, description="Of `canny`: weaker edges are left out.")] = (
        0.05
    )
    high_threshold: Annotated[float, Field(ge=0.01, le=0.99, description="Of `canny`: stronger ones always count.")] = (
        0.1
    )
    strength: Annotated[float, Field(ge=0, le=10)] = 1.0
    start: Strength = Field(default=0.0, description="Where in the sampling it begins to count, 0 to 1.")
    end: Strength = Field(default=1.0, description="Where it stops.")


class LoraParameters(_Strict):
    """A LoRA that changes model and text encoder."""

    name: str = Field(description="A file of `loras`.", examples=["style.safetensors"])
    strength: Annotated[float, Field(ge=-100, le=100)] = 1.0
    clip_strength: Annotated[float, Field(ge=-100, le=100)] | None = Field(
        default=None, description="The same as `strength` if left out."
    )


class UpscaleParameters(_Strict):
    """Enlarging the result with a model."""

    model: str | None = Field(default=None, description="A file of `upscale_models`; the first one if left out.")


class RefinerParameters(_Strict):
    """A second checkpoint, SDXL's refiner, that draws the last steps."""

    model: str | None = Field(default=None, description="A file of `checkpoints`; the first refiner if left out.")
    start: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.8, description="Where in the sampling it takes over.")
    steps: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Into how many it divides the whole sampling; as many as `steps` if left out."
    )
    required: bool = Field(default=True, description="If not, one model draws all steps where it cannot be used.")


class HiresParameters(_Strict):
    """Sampling once more at a larger size, from the picture that was sampled first."""

    scale: Annotated[float, Field(gt=1, le=4)] = Field(default=2.0, description="How much larger.")
    strength: Strength = Field(default=0.5, description="How much of the picture changes.")
    steps: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, description="As many as `steps`.")
    method: Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"] = "bislerp"


class DeepCacheParameters(_Strict):
    """DeepCache: the UNet's inner blocks run at some noise levels only. Faster, a little less exact."""

    interval: Annotated[int, Field(ge=1, le=1000)] = Field(default=3, description="They run at every so many levels.")
    depth: Annotated[int, Field(ge=0, le=12)] = Field(default=3, description="Outer blocks that run always.")
    start_step: Annotated[int, Field(ge=0, le=1000)] = Field(default=0, description="Before it, all blocks run.")
    end_step: Annotated[int, Field(ge=0, le=1000)] = Field(default=1000, description="After it, all blocks run.")


class PictureParameters(_Strict):
    """Text to image; image to image with `image`; inpainting with `image` and `mask`."""

    prompt: str = Field(examples=["a red circle on a blue background"])
    negative_prompt: str = ""
    width: Side | None = Field(default=None, description="In pixels. The picture's, or the model's own, if left out.")
    height: Side | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    cfg: Annotated[float, Field(ge=0, le=100)] = 7.0
    sampler: str = Field(default="dpmpp_2m", description="As KSampler has them.")
    scheduler: str = "karras"
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = Field(
        default=None, description="Chosen at random if left out; the job says which it is."
    )
    model: str | None = Field(
        default=None,
        description="A file of `checkpoints`; that of the list of models which is marked as default.",
    )
    vae: str | None = Field(default=None, description="A file of `vae` instead of the checkpoint's own.")
    clip_skip: Annotated[int, Field(ge=1, le=24)] | None = Field(
        default=None, description="1 reads the text encoder's last layer, 2 the one before."
    )
    batch: Annotated[int, Field(ge=1, le=16)] = Field(default=1, description="How many pictures.")
    image: Source | None = Field(default=None, description="The picture to change.")
    mask: Source | None = Field(default=None, description="White is drawn anew, black stays.")
    strength: Strength | None = Field(
        default=None, description="How much of `image` changes: 0.75 if left out, 1 with a mask."
    )
    controls: list[ControlParameters] = Field(default=[], max_length=8)
    loras: list[LoraParameters] = Field(default=[], max_length=16)
    deepcache: DeepCacheParameters | None = Field(default=None, description="All blocks run if left out.")
    refiner: RefinerParameters | None = Field(default=None, description="One model draws all steps if left out.")
    hires: HiresParameters | None = Field(default=None, description="Sampled once if left out.")
    upscale: UpscaleParameters | None = None

    @field_validator("mask", mode="after")
    @classmethod
    def _has_image(cls, mask: str | None, read: ValidationInfo) -> str | None:
        if mask is not None and read.data.get("image", "unreadable") is None:
            raise ValueError("a mask says which part of a picture is drawn anew: give that as `image`")
        return mask

    @model_validator(mode="after")
    def _fits_together(self) -> PictureParameters:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        if self.refiner is not None and self.refiner.required and self.image is not None:
            raise ValueError("a refiner draws the last steps of a new picture: leave image or refiner out")
        if self.hires is not None and self.mask is not None:
            raise ValueError("what a mask keeps has the picture's own size: leave mask or hires out")
        return self
