"""Requests and replies as values, with nothing sent: what the synchronous and the asynchronous client share."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from dagfusion_client.errors import JobCancelled, JobFailed, Refused
from dagfusion_client.models import JobDocument, OutputDocument, ProblemDetails

Model = TypeVar("Model", bound=BaseModel)
Workflow = Mapping[str, Any] | Path
File = Path | bytes | str
ENDED = ("completed", "failed", "cancelled")
RETRIED = (429, 502, 503, 504)
ATTEMPTS = 6
_PICTURE_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


class Submission(TypedDict, total=False):
    """What may come with a workflow. ``None`` is the same as to leave it out.

    ``files``: by the names that the workflow has for them, a path, bytes, or as text base64 or an address.
    """

    files: Mapping[str, File] | None
    overrides: Mapping[str, Any] | None
    targets: Sequence[str] | None
    priority: int | None
    idempotency_key: str | None
    webhook: Mapping[str, Any] | None
    output: Mapping[str, Any] | None
    previews: bool | None
    time_limit_s: float | None
    max_attempts: int | None


def submission(workflow: Workflow, given: Submission) -> dict[str, Any]:
    """Arguments of a request for ``POST /v1/jobs``. Files that are here go as parts of a form, addresses as text.

    Raises ``OSError`` for files that cannot be read, ``ValueError`` for a workflow file that is no JSON.
    """
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    files: Mapping[str, File] = fields.pop("files", {})
    key = fields.pop("idempotency_key", None) or str(uuid.uuid4())
    texts = {name: value for name, value in files.items() if isinstance(value, str)}
    parts = [("files", (name, _content(value))) for name, value in files.items() if not isinstance(value, str)]
    document: Any = workflow
    if isinstance(workflow, Path):
        content = workflow.read_bytes()
        if content.lstrip()[:1] == b"{":
            document = json.loads(content)
        else:
            parts.append(("workflow", (workflow.name, content)))
            document = None
    body = {**fields, "files": texts}
    if document is not None:
        body["workflow"] = document
    headers = {"Idempotency-Key": key}
    if not parts:
        return {"json": body, "headers": headers}
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return {"data": data, "files": parts, "headers": headers}


def generation(parameters: Mapping[str, Any], idempotency_key: str | None) -> dict[str, Any]:
    """Arguments of a request for ``POST /v1/generate``."""
    key = idempotency_key or str(uuid.uuid4())
    return {"json": {**parameters, "idempotency_key": key}}


def path(*parts: str) -> str:
    """A path under ``/v1``, each part quoted."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def query(**given: Any) -> dict[str, Any]:
    """Query parameters without those that were not given."""
    return {name: value for name, value in given.items() if value is not None}


def headers(api_key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def read(reply: httpx.Response, kind: type[Model]) -> Model:
    """The reply's document. Raises ``Refused``."""
    check(reply)
    return kind.model_validate(reply.json())


def check(reply: httpx.Response) -> None:
    """Raise ``Refused`` where the service refused."""
    if reply.is_success:
        return
    try:
        problem = ProblemDetails.model_validate(reply.json())
    except (ValidationError, ValueError):
        problem = None
    raise Refused(reply.status_code, problem, reply.text)


def pause_s(attempt: int, reply: httpx.Response | None = None) -> float:
    """How long to wait before trying again: as long as the service says, else longer each time."""
    told = reply.headers.get("Retry-After", "") if reply is not None else ""
    return min(float(told), 60.0) if told.isdigit() else min(0.25 * 2**attempt, 10.0)


def outcome(job: JobDocument) -> JobDocument:
    """The job if it was completed. Raises ``JobFailed``, ``JobCancelled``."""
    if job.state == "failed":
        raise JobFailed(job)
    if job.state == "cancelled":
        raise JobCancelled(job)
    return job


def target(output: OutputDocument, to: Path | str) -> Path:
    """Where an output's file goes: ``to`` itself, or under the output's name in the folder ``to``."""
    place = Path(to)
    if place.is_dir() or not place.suffix:
        place.mkdir(parents=True, exist_ok=True)
        return place / _with_its_suffix(Path(output.name).name, output.media_type)
    return place


def _with_its_suffix(name: str, media_type: str | None) -> str:
    """Of a picture that comes in another format than it was saved in."""
    suffix = _PICTURE_SUFFIXES.get(media_type or "")
    return name if suffix is None or name.lower().endswith((suffix, ".jpeg")) else str(Path(name).with_suffix(suffix))


def part_of(place: Path) -> Path:
    """Where a file is until it is whole."""
    return place.with_name(f".{place.name}.{uuid.uuid4().hex}.part")


def socket_url(base: str, job_id: str, after: int, previews: bool) -> str:
    """The address of a job's event stream."""
    url = httpx.URL(base).copy_with(scheme="wss" if base.startswith("https") else "ws")
    url = url.copy_with(path=url.path.rstrip("/") + path("jobs", job_id, "ws"))
    return str(url.copy_merge_params({"after": str(after), "previews": str(previews).lower()}))


def _content(file: Path | bytes) -> bytes:
    return file.read_bytes() if isinstance(file, Path) else file
