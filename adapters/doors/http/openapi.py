"""The OpenAPI document: what errors look like, and bodies that routes read by themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from adapters.doors.http.problems import MEDIA_TYPE, ProblemDetails

_WHEN = {
    401: "The API key is missing, unknown or revoked.",
    403: "The API key lacks the scope.",
    404: "There is none, or it is not yours.",
    409: "Not as things stand.",
    413: "The request is too large.",
    422: "The request, or the workflow in it, is wrong; `problems` says everything that is.",
    429: "Too many requests; `Retry-After` says when to ask again.",
    503: "The queue is full or the service is busy; `Retry-After` says when to ask again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with problem details."""
    return {
        status: {"model": ProblemDetails, "description": _WHEN.get(status, HTTPStatus(status).phrase)}
        for status in statuses
    }


def form_body(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its own body: JSON, or multipart with files besides the fields."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    _READ_BY_ROUTES[model.__name__] = model
    parts = {
        "type": "object",
        "description": "Objects and lists as JSON texts; files under the names that the workflow has for them.",
        "properties": {name: {"type": "string"} for name in model.model_fields},
        "required": [name for name, field in model.model_fields.items() if field.is_required()],
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    content = {"application/json": {"schema": reference}, "multipart/form-data": {"schema": parts}}
    return {"requestBody": {"required": True, "content": content}}


# None at all where the service listens on loopback only.
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_READ_BY_ROUTES: dict[str, type[BaseModel]] = {}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with what FastAPI does not see: the models of :func:`form_body`, and the type of problem details."""
    schemas = document["components"]["schemas"]
    for name, model in _READ_BY_ROUTES.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        for other, definition in schema.pop("$defs", {}).items():
            schemas.setdefault(other, definition)
        schemas.setdefault(name, schema)
    document["components"]["securitySchemes"] = _SECURITY_SCHEMES
    document["security"] = [{}, *({name: []} for name in _SECURITY_SCHEMES)]
    return _as_problem_json(document)


def _as_problem_json(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI writes application/json everywhere."""
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for status, response in operation.get("responses", {}).items():
                content = response.get("content", {})
                if status[0] in "45" and "Problem" in str(content.get("application/json", {}).get("schema", "")):
                    content[MEDIA_TYPE] = content.pop("application/json")
    return document
