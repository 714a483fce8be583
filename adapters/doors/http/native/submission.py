"""What clients submit: a workflow with its files, and how it is to be run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.doors.http.native.output_documents import OutputOptions
from adapters.service.prepare.generate.parameters import PictureParameters

_WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
}
WebhookEvent = Literal["progress", "completed", "failed", "cancelled"]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")]


class WebhookRequest(BaseModel):
    """Where to send word of the job. Messages are signed (Standard Webhooks, HMAC-SHA256)."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2000, examples=["https://example.com/hooks/pictures"])
    events: list[WebhookEvent] = Field(
        default=["completed", "failed", "cancelled"],
        min_length=1,
        description="`progress` is sent for each finished node.",
    )
    secret: str | None = Field(
        default=None, min_length=8, max_length=200, description="Signs the messages. One is made where it is left out."
    )


class WorkflowRequest(BaseModel):
    """A workflow, the files that its nodes read, and changes to its inputs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"workflow": _WORKFLOW}})

    workflow: dict[str, Any] = Field(
        description="In API form or as the front end saves it, bare or wrapped as in ComfyUI's own requests."
    )
    files: dict[str, str] = Field(
        default={},
        description="Input files by the names that the workflow has for them: base64, a data URL, or an http(s) URL.",
        examples=[{"photo.png": "https://example.com/photo.png"}],
    )
    overrides: dict[str, Any] = Field(
        default={},
        description="Values by `NODE.INPUT`; NODE is a node's id, title or class.",
        examples=[{"KSampler.steps": 12, "Positive.text": "a red boat"}],
    )
    targets: list[str] | None = Field(
        default=None, min_length=1, max_length=1000, description="Only these output nodes: ids, titles or classes."
    )


class RunOptions(BaseModel):
    """How a job is to be run."""

    model_config = ConfigDict(extra="forbid")

    priority: int = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="Higher runs earlier, up to what the key may use. A second of waiting counts as a point; among "
        "equals, keys take turns.",
    )
    idempotency_key: IdempotencyKey | None = Field(
        default=None, description="A second request with this key gives the job of the first one."
    )
    webhook: WebhookRequest | None = None
    output: OutputOptions = OutputOptions()
    previews: bool = Field(default=True, description="Make previews while sampling.")
    time_limit_s: float | None = Field(default=None, gt=0, description="Up to the service's own limit.")
    max_attempts: int | None = Field(default=None, ge=1, description="Starts before it fails, if workers die.")


class JobRequest(WorkflowRequest, RunOptions):
    """A job: a workflow and how it is to be run."""


class GenerateRequest(PictureParameters, RunOptions):
    """A picture by plain parameters, and how its job is to be run."""
