"""A request that is answered at once, as serverless doors take it: a workflow with pictures, or plain parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, model_validator

from adapters.service.conversions import DEFAULT_QUALITY, PictureFormat
from adapters.service.errors import BodyTooLarge, RequestInvalid
from adapters.service.prepare.generate.diffusers_names import translated
from adapters.service.prepare.generate.parameters import PictureParameters
from adapters.service.prepare.validation import validated
from engine.strict_json import parse_json
from engine.suggest import nearest

_FEW, _MAX_NAME = 10, 100  # of fields that are not used


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OutputRequest(_Strict):
    """In which format still pictures are to come; as made if left out."""

    format: PictureFormat | None = None
    quality: int = Field(default=DEFAULT_QUALITY, ge=1, le=100)


class RunRequest(_Strict):
    """How a job is to be run. ``previews``: by default where the reply is a stream."""

    output: OutputRequest = OutputRequest()
    previews: bool | None = None
    time_limit_s: float | None = Field(default=None, gt=0)


class NamedImage(BaseModel):
    """A picture by the name that the workflow has for it: base64, a data URL, or an http(s) URL."""

    model_config = ConfigDict(extra="ignore")

    name: str
    image: str


class WorkflowInput(RunRequest):
    """A workflow in API form or as the front end saves it. ``images``: worker-comfyui's way to send ``files``.

    ``ignored``: names of further fields, which worker-comfyui lets through as well.
    """

    model_config = ConfigDict(extra="ignore")

    workflow: dict[str, Any]
    images: list[NamedImage] | None = None
    files: dict[str, str] = {}
    overrides: dict[str, Any] = {}
    targets: list[str] | None = Field(default=None, min_length=1, max_length=1000)
    comfy_org_api_key: str | None = None  # for nodes of a paid service, which are not here; so it is not used
    ignored: Annotated[tuple[str, ...], SkipValidation] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the request was not used, for the reply."""
        return tuple(_unused(name) for name in self.ignored[:_FEW])

    @model_validator(mode="after")
    def _names_differ(self) -> WorkflowInput:
        names = [image.name for image in self.images or ()]
        twice = {name for name in names if names.count(name) > 1 or name in self.files}
        if twice:
            raise ValueError(f"two pictures are called {min(twice)!r:.100}")
        return self

    @property
    def sources(self) -> dict[str, str]:
        """All files that came with the workflow, by name."""
        return {image.name: image.image for image in self.images or ()} | self.files


class PictureInput(PictureParameters, RunRequest):
    """A picture by plain parameters, in this program's names or in diffusers'."""


def read_input(given: Any, max_bytes: int) -> WorkflowInput | PictureInput:
    """What a job asks for. Text is taken for JSON, as worker-comfyui does.

    Raises ``RequestInvalid``, ``BodyTooLarge``, and ``WorkflowUnreadable`` for text that is no JSON.
    """
    if isinstance(given, str):
        given = parse_json(given, "the input", max_bytes=max_bytes)
    if not isinstance(given, Mapping):
        raise RequestInvalid(f"the input is {_kind(given)}, not an object", remedy=_EITHER)
    _check_size(given, max_bytes)
    if "workflow" not in given and isinstance(given.get("prompt"), Mapping):
        given = {**given, "workflow": given["prompt"]}  # as ComfyUI's own route calls a graph
        given.pop("prompt")
    if "workflow" in given:
        return _workflow_input(given, max_bytes)
    if "prompt" in given:
        return validated(PictureInput, translated(given))
    raise RequestInvalid("the input has neither a 'workflow' nor a 'prompt'", remedy=_EITHER)


def _workflow_input(given: Mapping[str, Any], max_bytes: int) -> WorkflowInput:
    fields = dict(given)
    if isinstance(fields["workflow"], str):
        fields["workflow"] = parse_json(fields["workflow"], "the workflow", max_bytes=max_bytes)
    fields["ignored"] = tuple(str(name)[:_MAX_NAME] for name in given if name not in WorkflowInput.model_fields)
    return validated(WorkflowInput, fields)


def _unused(name: str) -> str:
    near = nearest(name, WorkflowInput.model_fields)
    return f"'{name}' is no field of a request and is not used" + (f"; did you mean {near}?" if near else "")


_EITHER = 'send {"input": {"workflow": {...}}} or {"input": {"prompt": "..."}}'


def _kind(value: Any) -> str:
    names = {type(None): "null", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def _check_size(given: Mapping[str, Any], max_bytes: int) -> None:
    try:
        size = len(json.dumps(given, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except RecursionError as error:
        raise RequestInvalid("the input is nested too deeply") from error
    if size > max_bytes:
        raise BodyTooLarge(
            f"the input has {size:,} bytes; this door takes {max_bytes:,}",
            remedy="give pictures by URL rather than inside the request",
        )
