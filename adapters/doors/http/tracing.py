"""OpenTelemetry traces: a span for each request, and one for each job with its nodes. Nothing is imported unless on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.doors.http.replies import route_path
from adapters.doors.http.services import Services
from adapters.service.store.records import ENDED, Preview, StoredEvent
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDS = frozenset(str(state) for state in ENDED)


def open_tracer() -> Tracer:
    """A tracer that exports over OTLP, to where OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``) say.

    Raises ``DagfusionError`` where the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from adapters.doors.http.trace_ids import JobIds
    except ImportError as error:
        raise DagfusionError("traces need OpenTelemetry", remedy="pip install 'dagfusion[otel]'") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "dagfusion"}), id_generator=JobIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("dagfusion")


def export_rest(tracer: Tracer) -> None:
    """Export the spans that wait for it. Blocks for as long as the collector takes."""
    from opentelemetry.sdk import trace

    if isinstance(tracer, trace.Tracer):
        tracer.span_processor.force_flush()


class RequestSpans:
    """ASGI middleware: a span for each request, below the one that the client names in ``traceparent``."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        context = extract(dict(Headers(scope=scope)))
        with self._tracer.start_as_current_span(scope["method"], context, SpanKind.SERVER) as span:

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                    location = Headers(raw=message["headers"]).get("location", "")
                    if "/v1/jobs/" in location:
                        span.set_attribute("dagfusion.job_id", location.rpartition("/")[2])
                await send(message)

            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("url.path", scope["path"])
            try:
                await self._app(scope, receive, note)
            finally:
                if route := route_path(scope):
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)


async def trace_jobs(now: Services, tracer: Tracer) -> None:
    """A span for each job that ends, with one for each of its nodes, until cancelled."""
    position = await run_sync(now.store.events.last_position)
    async with aclosing(now.tail.follow(None, position)) as batches:
        async for batch in batches:
            for event in () if isinstance(batch, Preview) else batch:
                if event.kind in _ENDS:
                    record_job(tracer, await run_sync(now.store.events.of_job, event.job_id))


def record_job(tracer: Tracer, events: Sequence[StoredEvent]) -> None:
    """Spans after the fact, by the times in the job's events."""
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode, set_span_in_context

    from adapters.doors.http.trace_ids import ids_of

    start, end = events[0], events[-1]
    begins, about = _nanoseconds(start.time), {"dagfusion.job_id": start.job_id}
    with ids_of(start.job_id, start.number):
        job = tracer.start_span("job", Context(), start_time=begins, attributes=about)
    job.set_attribute("dagfusion.outcome", end.kind)
    if end.kind == "failed":
        job.set_status(StatusCode.ERROR, str(end.data.get("error", {}).get("message", "")))
    context = set_span_in_context(job)
    for event in events:
        if event.kind == "node_finished":
            began = _nanoseconds(event.time - event.data["seconds"])
            with ids_of(event.job_id, event.number):
                node = tracer.start_span(event.data["class_type"], context, start_time=began)
            node.set_attribute("dagfusion.node_id", event.data["node_id"])
            node.set_attribute("dagfusion.cached", event.data["cached"])
            node.end(_nanoseconds(event.time))
        elif event.kind in ("started", "requeued", "cancel_requested"):
            job.add_event(event.kind, timestamp=_nanoseconds(event.time))
    job.end(_nanoseconds(end.time))


def _nanoseconds(unix_s: float) -> int:
    return int(unix_s * 1e9)
