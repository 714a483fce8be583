"""Errors as RFC 9457 problem details (application/problem+json)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from adapters.doors.http.statuses import STATUSES
from adapters.host.paths import hide_paths
from adapters.service.error_table import public_document, row_of
from adapters.service.errors import KeyMissing, RequestInvalid
from adapters.service.prepare.validation import field_errors
from adapters.service.store.outage import report_outage, unavailable
from engine.counted import counted
from engine.errors import DagfusionError, Problem

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:dagfusion:problem:"
_log = logging.getLogger(__name__)


class ProblemItem(BaseModel):
    """One thing that is wrong with a workflow or a field of the request; ``code`` is ComfyUI's where it has one."""

    code: str
    message: str
    remedy: str = ""
    node_id: str | None = None
    class_type: str | None = None
    input: str | None = None


def items_of(found: Iterable[Problem]) -> list[ProblemItem]:
    """What is wrong with a workflow, without this machine's paths: of a file a caller learns its name."""
    return [ProblemItem(**hide_paths(asdict(one))) for one in found]


class ProblemDetails(BaseModel):
    """RFC 9457 problem details. ``problems`` has everything that is wrong, not the first thing alone."""

    model_config = ConfigDict(json_schema_extra={"description": "RFC 9457 problem details."})

    type: str = Field(examples=[f"{TYPE_PREFIX}graph-invalid"])
    title: str = Field(examples=["The workflow cannot run"])
    status: int = Field(examples=[422])
    detail: str = Field(description="One clear sentence.")
    remedy: str = Field(default="", description="What to do about it.")
    instance: str | None = Field(default=None, description="Names this one failure in the operator's log.")
    problems: list[ProblemItem] = []


def problem(error: BaseException) -> ProblemDetails:
    """The details of ``error``. What an unexpected one says stays inside."""
    row, document = row_of(error), public_document(error)
    if isinstance(error, RequestInvalid):
        items = [
            ProblemItem(code="invalid_request", message=message, input=place or None) for place, message in error.fields
        ]
    else:
        items = [ProblemItem(**one) for one in document.get("problems", ())]
    detail = document["message"] if len(items) < 2 else counted(len(items), "problem")
    return ProblemDetails(
        type=TYPE_PREFIX + row.code,
        title=row.title,
        status=STATUSES[row.code],
        detail=detail,
        remedy=document["remedy"],
        problems=items,
    )


def problem_response(error: BaseException) -> Response:
    """The reply to a request that ended with ``error``; an unexpected one is logged under the id that it gets."""
    details = problem(error)
    if not isinstance(error, DagfusionError):
        details.instance = f"urn:uuid:{uuid.uuid4()}"
        _log.error("unexpected error %s", details.instance, exc_info=error)
    return JSONResponse(
        details.model_dump(exclude_none=True), details.status, headers=_headers(error), media_type=MEDIA_TYPE
    )


def add_handlers(app: FastAPI) -> None:
    """Let ``app`` answer every expected error with problem details; :class:`Replies` does it for all others."""

    async def ours(_request: Request, error: Exception) -> Response:
        return problem_response(error)

    async def database(_request: Request, error: Exception) -> Response:
        if not isinstance(error, OperationalError | InterfaceError | PoolTimeout):
            return problem_response(error)
        report_outage(_log, error, "the database does not answer")
        return problem_response(unavailable(error))

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(RequestInvalid(*_summary(error), fields=_fields(error)))

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        details = ProblemDetails(
            type="about:blank", title=str(error.detail), status=error.status_code, detail=str(error.detail)
        )
        return JSONResponse(
            details.model_dump(exclude_none=True), error.status_code, headers=error.headers, media_type=MEDIA_TYPE
        )

    app.add_exception_handler(DagfusionError, ours)
    app.add_exception_handler(SQLAlchemyError, database)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _headers(error: BaseException) -> dict[str, str]:
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if (retry_after_s := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, KeyMissing):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _fields(error: RequestValidationError) -> tuple[tuple[str, str], ...]:
    """What is wrong with the body as a whole names no place."""
    return tuple(("" if place == "body" else place, message) for place, message in field_errors(error.errors()))


def _summary(error: RequestValidationError) -> tuple[Any]:
    place, message = _fields(error)[0]
    return (f"{place}: {message}" if place else message,)
