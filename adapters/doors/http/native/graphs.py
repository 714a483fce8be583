"""Example workflows: which there are, and each as a submission."""

from __future__ import annotations

from base64 import b64encode
from mimetypes import guess_type
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from adapters.doors.http.examples import examples
from adapters.doors.http.native.access import Reader
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import ServicesNow
from adapters.service.errors import NotFound

router = APIRouter(tags=["catalog"])


class ExampleGraph(BaseModel):
    """An example workflow."""

    name: str = Field(examples=["text_to_image"])
    description: str = Field(examples=["a prompt becomes a picture"])
    runs: bool = Field(description="Whether all model files that it names are here.")


class ExampleSubmission(BaseModel):
    """What `POST /v1/jobs` takes."""

    workflow: dict[str, Any] = Field(description="In API form.")
    files: dict[str, str] = Field(description="The pictures that it reads, as data URLs.")


@router.get("/graphs", operation_id="list_graphs", summary="Example workflows")
def list_graphs(now: ServicesNow, _caller: Reader) -> list[ExampleGraph]:
    """The workflows that come with dagfusion, and whether each can run here."""
    found = examples(now.registry).values()
    return [ExampleGraph(name=one.name, description=one.description, runs=one.runs(now.folders)) for one in found]


@router.get(
    "/graphs/{name}", operation_id="get_graph", summary="An example workflow, to be submitted", responses=problems(404)
)
def get_graph(name: Annotated[str, Path(max_length=200)], now: ServicesNow, _caller: Reader) -> ExampleSubmission:
    """The workflow and the pictures that it reads: submit the document as it is, or changed."""
    found = examples(now.registry)
    if name not in found:
        raise NotFound(f"there is no example '{name}'", remedy=f"there are: {', '.join(found)}")
    example = found[name]
    return ExampleSubmission(
        workflow=example.workflow.as_prompt(),
        files={file: _data_url(file, content) for file, content in example.files.items()},
    )


def _data_url(name: str, content: bytes) -> str:
    return f"data:{guess_type(name)[0]};base64,{b64encode(content).decode()}"
