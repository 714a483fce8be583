"""Requests in the form that they should have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.server.errors import RequestInvalid

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], document: Mapping[str, Any]) -> Model:
    """The document in ``kind``'s form. Raises ``RequestInvalid`` naming everything that is wrong."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fields = tuple((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False))
        place, message = fields[0]
        raise RequestInvalid(f"{place}: {message}" if place else message, fields=fields) from error
