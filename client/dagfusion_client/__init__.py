"""Typed client of dagfusion: submit ComfyUI workflows, watch them, fetch what they make."""

from dagfusion_client._async.client import AsyncClient
from dagfusion_client._sync.client import Client
from dagfusion_client.errors import (
    DagfusionClientError,
    JobCancelled,
    JobFailed,
    Refused,
    TimedOut,
    Unreachable,
)
from dagfusion_client.models import EventDocument, JobDocument, OutputDocument
from dagfusion_client.requests import Submission
from dagfusion_client.streams import Preview

__all__ = [
    "AsyncClient",
    "Client",
    "DagfusionClientError",
    "EventDocument",
    "JobCancelled",
    "JobDocument",
    "JobFailed",
    "OutputDocument",
    "Preview",
    "Refused",
    "Submission",
    "TimedOut",
    "Unreachable",
]
