"""What can be used in workflows: node classes and model files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from adapters.doors.http.native.access import Reader
from adapters.doors.http.openapi import problems
from adapters.doors.http.services import Services, ServicesNow
from adapters.doors.http.spaces import folders_of
from adapters.service.errors import NotFound
from adapters.service.prepare.generate.choices import chosen_checkpoint
from engine.errors import ModelMissing
from engine.folders import KINDS
from engine.object_info import object_info
from engine.suggest import nearest

router = APIRouter(tags=["catalog"])


class NodeClass(BaseModel):
    """A node class as ComfyUI's `/object_info` describes it."""

    model_config = ConfigDict(extra="allow")

    name: str
    display_name: str
    description: str
    category: str
    output_node: bool
    input: dict[str, dict[str, Any]] = Field(description="By group (required, optional, hidden): [type, options].")
    output: list[str] = Field(description="Types.")
    output_name: list[str]


class ModelEntry(BaseModel):
    """A model file."""

    name: str = Field(examples=["sd_xl_base_1.0.safetensors"])
    size_bytes: int
    default: bool = Field(default=False, description="Whether pictures are drawn with it where no model is named.")


@router.get("/nodes", operation_id="list_nodes", summary="All node classes")
def list_nodes(now: ServicesNow, caller: Reader) -> dict[str, NodeClass]:
    """Every node class by its name, with its inputs, their ranges and choices; file choices list what is here now."""
    folders = folders_of(now, caller)
    return {name: NodeClass(**object_info(spec, folders)) for name, spec in now.registry.items()}


@router.get("/nodes/{class_type}", operation_id="get_node", summary="One node class", responses=problems(404))
def get_node(class_type: Annotated[str, Path(max_length=200)], now: ServicesNow, caller: Reader) -> NodeClass:
    """One node class."""
    spec = now.registry.get(class_type)
    if spec is None:
        near = nearest(class_type, now.registry)
        raise NotFound(f"there is no node class '{class_type}'", remedy=f"did you mean {near}?" if near else "")
    return NodeClass(**object_info(spec, folders_of(now, caller)))


@router.get("/models", operation_id="list_models", summary="Model files", responses=problems(404))
def list_models(
    now: ServicesNow,
    _caller: Reader,
    kind: Annotated[str | None, Query(description="Only this kind.", max_length=60, examples=["checkpoints"])] = None,
) -> dict[str, list[ModelEntry]]:
    """The model files that workflows can name, by kind."""
    known = sorted({*KINDS, *now.folders.models})
    if kind is not None and kind not in known:
        raise NotFound(f"there is no kind of model '{kind}'", remedy=f"there are: {', '.join(known)}")
    return {one: _entries(one, now) for one in (known if kind is None else [kind])}


def _entries(kind: str, now: Services) -> list[ModelEntry]:
    default = _default(now) if kind == "checkpoints" else None
    return [
        ModelEntry(name=name, size_bytes=now.folders.find(kind, name).stat().st_size, default=name == default)
        for name in now.folders.files(kind)
    ]


def _default(now: Services) -> str | None:
    try:
        return chosen_checkpoint(now.folders, None, now.warm)
    except ModelMissing:
        return None
