"""Requests in the form that they should have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.service.errors import RequestInvalid
from engine.suggest import nearest

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], document: Mapping[str, Any]) -> Model:
    """The document in ``kind``'s form. Raises ``RequestInvalid`` naming everything that is wrong."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fields = field_errors(error.errors(include_url=False), kind.model_fields)
        place, message = fields[0]
        strange = any(one["type"] == "extra_forbidden" and len(one["loc"]) == 1 for one in error.errors())
        remedy = f"the fields are: {', '.join(kind.model_fields)}" if strange else ""
        raise RequestInvalid(f"{place}: {message}" if place else message, fields=fields, remedy=remedy) from error


def field_errors(errors: Iterable[Mapping[str, Any]], known: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """Place and message of each of pydantic's ``errors``. ``known``: the names that a wrong one may be meant for."""
    return tuple((".".join(map(str, one["loc"])), _message(one, known)) for one in errors)


def _message(error: Mapping[str, Any], known: Iterable[str]) -> str:
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    near = nearest(str(error["loc"][-1]), known)
    return f"there is no such field; did you mean {near}?" if near else "there is no such field"
