"""What every door needs to know: folders, the device, the service's data and limits, sites that models come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.host.settings.environment import said
from adapters.host.settings.reading import explained, parts_of
from engine.computing import Attention, Compile, Precision, StepNoise
from engine.types import Hdr

EMBEDDED_MODELS = Path(__file__).parents[3] / "models" / "tiny" / "weights"
MIB = 2**20


class Settings(BaseSettings):
    """What every door needs to know. Command-line options win over the environment.

    ``models``: ComfyUI ``models`` folders, separated like PATH. ``fingerprints``: the file that keeps model files'
    hashes between processes. ``cache_mib``: budget for node outputs kept between runs. ``max_text_mib``: how much text
    one node may make; ``max_memory_mib``: how much memory it may take at once, by default 3/4 of the machine's.
    ``disk_cache``: folder of those that outlive the process, which processes may share; ``disk_cache_mib``: its budget,
    0 for none. ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. ``precision``: what networks compute in; ``auto``
    is float16 on a GPU; on a CPU it is bfloat16 for large networks where that is quicker, else float32.
    ``attention``, ``compile``, ``step_noise``: see :class:`engine.computing.Computing`; ``compiled``: folder of
    compiled code. ``pickled_gib``: how large pickled weights (.pth, .ckpt ...) may be, which are read as weights only;
    0 for none. ``hdr``: what pictures of HDR films are, ``sdr`` (as ordinary screens show them) or ``as_stored``.

    ``data``: folder of the queue's database, the blobs and the signing secret. ``database_url``: PostgreSQL instead of
    the SQLite file in ``data``. ``blobs``: any fsspec URL instead of a folder in ``data``. ``api_keys``: keys that may
    do everything, separated by commas. ``allowed_hosts``: hosts or networks that URL inputs and webhooks may reach
    though they are not public. ``concurrency``: jobs that one worker has in hand at a time, in turns on the device.
    ``together``: jobs of the same outline whose denoising steps one worker computes at once; by default 4 on a GPU and
    1 on a CPU, and with ``auto`` what brings more pictures a minute, tried out at the start;
    ``together_patience_s``: how long others that have waited longer wait for such jobs at most.
    ``packs``: folders of ComfyUI's node packs, as its ``custom_nodes``; ``packs_network``: whether they may use the
    network while they are imported; ``packs_kept``: where what they declare is kept between processes.
    ``warm``: checkpoints and workflow files that a worker loads before it counts as ready. ``manifest``: a list of
    model files, whose warm checkpoints are loaded as well. ``lease_s``: how long a worker may be silent before its jobs
    are given to another. ``stop_grace_s``: how long a node may ignore that it is to stop before its process is ended.
    ``drain_s``: how long a worker that shuts down may go on with its jobs.
    ``retention_days``: how long ended jobs are remembered, with all that they made or brought; ``retention_output``:
    whether their files in the output folder go with them, or are ``kept``.
    ``key_queue_limit``: jobs of one key that wait, a quarter of ``queue_limit`` by default; ``max_priority``: the
    highest that a key's jobs may have. Both are for keys that say nothing of it and are no admin's.
    ``rate_limit``: requests by key, as in ``60/minute``. ``inline_limit_kib``: larger outputs come as URLs.
    ``webhook_inline_kib``: up to which size webhook messages carry outputs themselves, beside links; 0 for never.
    ``frontend``: a folder of ComfyUI's own front end, or ``installed``, to serve at ``/``.
    ``cors_origins``: sites whose pages may use the API. ``max_sockets``: connections open at a time.
    ``read_timeout_s``, ``send_timeout_s``: for the next piece of a request, or for a client to take one of the reply.
    ``link_hours``: how long download links are good. ``tracing``: OpenTelemetry (the extra ``otel``).
    """

    model_config = SettingsConfigDict(env_prefix="DAGFUSION_", extra="ignore")

    models: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    nodes: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    packs: Annotated[list[Path], NoDecode] = Field(default_factory=list)
    packs_network: bool = False
    packs_kept: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "packs")
    extra_model_paths: Path | None = None
    input: Path = Path("input")
    shared_input: Path | None = None
    output: Path = Path("output")
    temp: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "temp")
    fingerprints: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "fingerprints.json")
    cache_mib: int = Field(default=2048, ge=0)
    max_text_mib: int = Field(default=16, ge=1)
    max_memory_mib: int | None = Field(default=None, ge=1)
    disk_cache: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "outputs")
    disk_cache_mib: int = Field(default=1024, ge=0)
    device: str = "auto"
    precision: Precision = "auto"
    attention: Attention = "auto"
    compile: Compile = "off"
    step_noise: StepNoise = "device"
    pickled_gib: float = Field(default=32.0, ge=0)
    hdr: Hdr = "sdr"
    compiled: Path = Field(default_factory=lambda: user_cache_path("dagfusion") / "compiled")
    # The service: where its data are, who may come in, how much it takes.
    data: Path = Field(default_factory=lambda: user_data_path("dagfusion"))
    database_url: str = ""
    blobs: str = ""
    public_url: str = ""
    secret: SecretStr = SecretStr("")
    api_keys: SecretStr = SecretStr("")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(default_factory=list)
    workers: int = Field(default=1, ge=0)
    concurrency: int = Field(default=1, ge=1)
    together: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    together_patience_s: float = Field(default=5.0, ge=0)
    warm: Annotated[list[str], NoDecode] = Field(default_factory=list)
    queue_limit: int = Field(default=1000, ge=1)
    key_queue_limit: int | None = Field(default=None, ge=1)
    max_priority: int = Field(default=0, ge=-1000, le=1000)
    max_attempts: int = Field(default=3, ge=1)
    time_limit_s: float = Field(default=3600.0, gt=0)
    lease_s: float = Field(default=15.0, gt=0)
    retention_days: float = Field(default=7.0, gt=0)
    retention_output: Literal["with_job", "kept"] = "with_job"
    host: str = "127.0.0.1"
    # Platforms that start containers say PORT, and some PORT_HEALTH, where they ask for /ping.
    port: int = Field(default_factory=lambda: said("PORT", 8188), ge=0, le=65535, validate_default=True)
    port_health: int | None = Field(
        default_factory=lambda: said("PORT_HEALTH", None), ge=0, le=65535, validate_default=True
    )
    log_format: Literal["text", "json"] = "text"
    stop_grace_s: float = Field(default=60.0, gt=0)
    drain_s: float = Field(default=30.0, ge=0)
    rate_limit: str = ""
    cors_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    frontend: str = ""
    max_sockets: int = Field(default=4096, ge=1)
    read_timeout_s: float = Field(default=30.0, gt=0)
    send_timeout_s: float = Field(default=30.0, gt=0)
    link_hours: float = Field(default=24.0, gt=0)
    tracing: bool = False
    max_body_mib: int = Field(default=100, ge=1)
    max_file_mib: int = Field(default=256, ge=1)
    max_megapixels: float = Field(default=64.0, gt=0)
    inline_limit_kib: int = Field(default=4096, ge=0)
    webhook_inline_kib: int = Field(default=0, ge=0)
    # Which models there are to be, and where they are fetched from. Sites go by the names that their own tools know.
    manifest: Path | None = None
    hf_token: SecretStr = Field(default=SecretStr(""), validation_alias="HF_TOKEN")
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    civitai_token: SecretStr = Field(default=SecretStr(""), validation_alias="CIVITAI_TOKEN")
    civitai_endpoint: str = Field(default="https://civitai.com", validation_alias="CIVITAI_ENDPOINT")

    @field_validator("allowed_hosts", "cors_origins", "warm", mode="before")
    @classmethod
    def _split_lists(cls, value: object) -> object:
        return parts_of(value)

    @field_validator("models", "nodes", "packs", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return [Path(part) for part in value.split(os.pathsep) if part] if isinstance(value, str) else value

    @property
    def database(self) -> str:
        """The URL of the queue's database."""
        return self.database_url or f"sqlite:///{self.data.absolute() / 'queue.sqlite'}"

    @property
    def blob_url(self) -> str:
        """Where blobs are: a folder or an fsspec URL."""
        return self.blobs or str(self.data.absolute() / "blobs")


def read_settings(given: Mapping[str, Any]) -> Settings:
    """The environment's settings, over which those in ``given`` (by name) win. Raises ``DagfusionError``."""
    with explained():
        return Settings(**given)
