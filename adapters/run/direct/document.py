"""A job as a JSON-ready document, with everything that a distant engine needs except the files' contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from adapters.run.worker.device import Work
from adapters.service.blobs.store import BlobStore
from adapters.service.store.records import InputFile, Job
from engine.errors import WorkflowUnreadable


class FileDocument(BaseModel):
    """An input file, as the intake names it. ``data``: its contents, for an engine that does not share the blobs."""

    name: str
    digest: str
    stored_name: str
    media_type: str
    size_bytes: int
    data: Base64Bytes | None = Field(default=None, repr=False)


class DirectJob(BaseModel):
    """``prompt`` is the workflow in API form; ``targets`` the wanted output nodes (None: all).

    ``space``: whose folders it reads and writes.
    """

    model_config = ConfigDict(extra="ignore")  # an older engine runs what a newer API sends

    id: str
    prompt: dict[str, Any]
    extra_pnginfo: dict[str, Any] = {}
    targets: list[str] | None = None
    files: list[FileDocument] = []
    options: dict[str, Any] = {}
    time_limit_s: float = Field(default=3600.0, gt=0)
    space: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")


def job_document(job: Job, files: Sequence[InputFile]) -> dict[str, Any]:
    """The document of a job of the queue with its input files, which stay in the blob store."""
    return {
        "id": job.id,
        "prompt": dict(job.prompt),
        "extra_pnginfo": dict(job.extra_pnginfo),
        "targets": None if job.targets is None else list(job.targets),
        "files": [asdict(file) for file in files],
        "options": dict(job.options),
        "time_limit_s": job.time_limit_s,
        "space": job.space,
    }


def read_job(document: Mapping[str, Any]) -> DirectJob:
    """The document, checked. Raises ``WorkflowUnreadable`` for what is none."""
    try:
        return DirectJob.model_validate(document)
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        place = ".".join(map(str, one["loc"])) or "the document"
        raise WorkflowUnreadable(f"that is no job document: {place}: {one['msg']}") from error


def work_of(job: DirectJob, blobs: BlobStore) -> Work:
    """What is to be computed. Files that came in the document are blobs from now on."""
    for file in job.files:
        if file.data is not None:
            blobs.put_bytes(file.data)
    return Work(
        prompt=job.prompt,
        files=[InputFile(**file.model_dump(exclude={"data"})) for file in job.files],
        extra_pnginfo=job.extra_pnginfo,
        targets=job.targets,
        previews=bool(job.options.get("previews", True)),
        space=job.space,
    )
