"""What serverless SDXL workers take, as one typed document: diffusers' names, and this program's beside them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SAME = "The same as"


class WorkerInput(BaseModel):
    """A picture in diffusers' words. Members are those of `POST /v1/generate` under these names; own names hold too."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": True})

    prompt: str | None = Field(default=None, examples=["a red circle"])
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    num_inference_steps: int | None = Field(default=None, description=f"{_SAME} `steps`.")
    guidance_scale: float | None = Field(default=None, description=f"{_SAME} `cfg`.")
    scheduler: str | None = Field(default=None, description="Diffusers' name of one, such as `K_EULER` or `DDIM`.")
    num_images: int | None = Field(default=None, description=f"{_SAME} `batch`.")
    image_url: str | None = Field(default=None, description=f"{_SAME} `image`: base64, a data URL, or an http(s) URL.")
    mask_url: str | None = Field(default=None, description=f"{_SAME} `mask`.")
    strength: float | None = None
    refiner_inference_steps: int | None = Field(default=None, description=f"{_SAME} `refiner.steps`.")
    high_noise_frac: float | None = Field(default=None, description=f"{_SAME} `refiner.start`.")
    control_image: str | None = Field(default=None, description="A picture that guides the drawing.")
    control_type: str | None = Field(default=None, description="What it shows: canny, depth, openpose ...")
    controlnet_conditioning_scale: float | None = Field(default=None, description="How much it counts.")
    lora_weights: list[dict[str, Any]] | None = Field(default=None, description=f"{_SAME} `loras`.")
    deepcache: dict[str, Any] | None = None
    hires: dict[str, Any] | None = None
    upscale: dict[str, Any] | None = None

    def given(self) -> dict[str, Any]:
        """What the request said, names that are not listed here too."""
        return self.model_dump(exclude_unset=True, exclude={"input"})
