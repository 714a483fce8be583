"""The schema of ``models.yaml``: which model files there must be, where they come from, and what they must contain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, PositiveInt, Tag, model_validator

from engine.folders import KINDS, contained
from engine.suggest import nearest

ALIASES = {alias: kind for kind, names in KINDS.items() for alias in names}
SAFE_SUFFIXES = (".safetensors", ".sft", ".gguf", ".yaml", ".json", ".txt")
PICKLE_SUFFIXES = (".ckpt", ".pt", ".pt2", ".bin", ".pth", ".pkl")
_CREDENTIALS = {"token", "access_token", "api_key", "apikey", "key"}


def _kind(value: str) -> str:
    if value not in ALIASES:
        near = nearest(value, ALIASES)
        raise ValueError(f"there is no kind '{value}'" + (f"; did you mean {near}?" if near else ""))
    return ALIASES[value]


def _relative(value: str) -> str:
    parts = value.split("/")
    plain = value.isprintable() and not set(value) & set('\\:*?"<>|')
    sound = all(part.strip() == part and part and not part.startswith(".") for part in parts)
    if contained(Path(), value) is None or not plain or not sound or max(len(p.encode()) for p in parts) > 200:
        raise ValueError("must be a plain relative file name, as in 'sdxl/base.safetensors'")
    return value


def _address(value: str) -> str:
    try:
        url = urlsplit(value)
        host, user = url.hostname, url.username
    except ValueError as error:
        raise ValueError("is no web address") from error
    if url.scheme not in ("http", "https") or not host:
        raise ValueError("must start with https:// or http://")
    if user is not None or _CREDENTIALS & {name.lower() for name, _ in parse_qsl(url.query)}:
        raise ValueError("must not carry a password or token; tokens come from HF_TOKEN and CIVITAI_TOKEN")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HuggingFace(_Strict):
    """A file of a Hugging Face repository."""

    huggingface: str = Field(
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="The repository, OWNER/NAME.",
        examples=["stabilityai/stable-diffusion-xl-base-1.0"],
    )
    file: Annotated[str, AfterValidator(_relative)] = Field(description="The file's path in the repository.")
    revision: str = Field(
        default="main",
        pattern=r"^[\w./-]+$",
        description="A commit, tag or branch. Name the commit: a branch moves, and then the hash no longer fits.",
    )


class Url(_Strict):
    """A file at a web address."""

    url: Annotated[str, AfterValidator(_address)] = Field(description="http or https, without credentials.")


class Civitai(_Strict):
    """A model version on Civitai."""

    civitai: PositiveInt = Field(description="The id of the model *version* (modelVersionId in the page's address).")


class LocalFile(_Strict):
    """A file of this machine; it is copied."""

    path: str = Field(min_length=1, description="Absolute, or relative to the manifest.")


def _source_tag(value: Any) -> str | None:
    names = value if isinstance(value, dict) else dir(value)
    return next((tag for tag in ("huggingface", "url", "civitai", "path") if tag in names), None)


Source = Annotated[
    Annotated[HuggingFace, Tag("huggingface")]
    | Annotated[Url, Tag("url")]
    | Annotated[Civitai, Tag("civitai")]
    | Annotated[LocalFile, Tag("path")],
    Discriminator(
        _source_tag,
        custom_error_type="source",
        custom_error_message="must have one of: huggingface (with file), url, civitai, path",
    ),
]


class ListedModel(_Strict):
    """One model file."""

    name: Annotated[str, AfterValidator(_relative)] = Field(
        description="The name that workflows use, relative to the folder of its kind.",
        examples=["sd_xl_base_1.0.safetensors"],
    )
    kind: Annotated[str, AfterValidator(_kind)] = Field(
        description="The model folder: checkpoints, loras, vae, controlnet ...",
        json_schema_extra={"enum": [*sorted(ALIASES)]},
    )
    source: Source = Field(description="Where the file comes from.")
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$", description="SHA-256 of the contents, hexadecimal.")
    size_bytes: PositiveInt = Field(description="The file's size; what is free on the disk is compared with it first.")
    fetch: Literal["build", "start"] = Field(
        default="start",
        description="Whether the file belongs into the image (build) or is fetched when a machine starts (start).",
    )
    warm: bool = Field(
        default=False, description="Whether a worker loads this checkpoint before it says that it is ready."
    )
    allow_pickle: bool = Field(
        default=False, description="Permits .ckpt, .pt, .pth, .bin, .pkl: such files can run code when they are opened."
    )

    @model_validator(mode="after")
    def _safe_type(self) -> ListedModel:
        suffix = Path(self.name).suffix.lower()
        if suffix in PICKLE_SUFFIXES and not self.allow_pickle:
            raise ValueError(
                f"'{self.name}' is a pickle, which can run code when it is opened; "
                "take the safetensors version, or write allow_pickle: true if you trust its maker"
            )
        if suffix not in SAFE_SUFFIXES + PICKLE_SUFFIXES:
            raise ValueError(f"'{self.name}' must end in one of {', '.join(SAFE_SUFFIXES)}")
        return self

    @model_validator(mode="after")
    def _loads_by_itself(self) -> ListedModel:
        if self.warm and self.kind != "checkpoints":
            raise ValueError(
                f"'{self.name}' cannot be warm: of the {self.kind}, none runs by itself; "
                "name a workflow that uses it with --warm"
            )
        return self

    @property
    def label(self) -> str:
        """``checkpoints/name``: how messages call this file."""
        return f"{self.kind}/{self.name}"


class Manifest(_Strict):
    """The list of model files that a deployment needs."""

    version: Literal[1] = Field(default=1, description="The version of this format.")
    models: tuple[ListedModel, ...] = Field(strict=False, description="The files; no two may have one kind and name.")

    @model_validator(mode="after")
    def _distinct(self) -> Manifest:
        labels = [model.label.lower() for model in self.models]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice)}")
        return self

    def chosen(self, when: Literal["build", "start", "all"]) -> tuple[ListedModel, ...]:
        """The models to fetch at that time."""
        return tuple(model for model in self.models if when in ("all", model.fetch))
