"""Settings from the environment (``DAGFUSION_*``); the only reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Precision = Literal["auto", "float32", "bfloat16", "float16"]
EMBEDDED_MODELS = Path(__file__).parent.parent / "models" / "tiny" / "weights"
MIB = 2**20


class Settings(BaseSettings):
    """What every door needs to know. Command-line options win over the environment.

    ``models``: ComfyUI ``models`` folders, separated like PATH. ``cache_mib``: budget for node outputs kept between
    runs. ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. ``precision``: what networks compute in; ``auto`` is
    float32 on a CPU and float16 on a GPU.
    """

    model_config = SettingsConfigDict(env_prefix="DAGFUSION_", extra="ignore")

    models: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    nodes: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    extra_model_paths: Path | None = None
    input: Path = Path("input")
    output: Path = Path("output")
    temp: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "temp")
    cache_mib: int = Field(default=2048, ge=0)
    device: str = "auto"
    precision: Precision = "auto"
    # Where models are fetched from. These go by the names that the sites' own tools know.
    hf_token: SecretStr = Field(default=SecretStr(""), validation_alias="HF_TOKEN")
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    civitai_token: SecretStr = Field(default=SecretStr(""), validation_alias="CIVITAI_TOKEN")
    civitai_endpoint: str = Field(default="https://civitai.com", validation_alias="CIVITAI_ENDPOINT")

    @field_validator("models", "nodes", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return [Path(part) for part in value.split(os.pathsep) if part] if isinstance(value, str) else value
