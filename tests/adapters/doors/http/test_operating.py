"""What operators hang on the service, with the real one: an OpenTelemetry collector, and the Grafana dashboard."""

from __future__ import annotations

import json
import re
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import promql_parser
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from adapters.run.worker.info import worker_info
from adapters.run.worker.leased_jobs import LeasedJobs
from tests.adapters.doors.http.serving import serving
from tests.adapters.services import Service, picture_prompt, running, until

ROOT = Path(__file__).parents[4]
DASHBOARD = json.loads((ROOT / "docs" / "deploy" / "grafana.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]


@dataclass
class Collector:
    """Takes traces over OTLP/HTTP, as OpenTelemetry's own collector does."""

    url: str = ""
    paths: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def of_job(self, job_id: str) -> list[Span]:
        """Those of the trace that has the job's id."""
        return [span for span in list(self.spans) if span.trace_id == uuid.UUID(job_id).bytes]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Operated:
    service: Service
    collector: Collector
    first: str
    second: str


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """The service, tracing into a collector, after a job of which half was computed before."""
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running(tmp_path_factory.mktemp("operated"), tracing="1", disk_cache_mib="64") as service:
            jobs = []
            for prefix in ("first", "second"):
                request = {"workflow": picture_prompt(prefix=prefix)}
                jobs.append(httpx.post(f"{service.url}/v1/jobs?wait=60", json=request, timeout=90).json())
            assert [job["state"] for job in jobs] == ["completed"] * 2
            yield Operated(service, collector, jobs[0]["id"], jobs[1]["id"])


def test_a_collector_gets_a_span_for_each_node(operated: Operated) -> None:
    until(lambda: len(operated.collector.of_job(operated.first)) >= 3)
    spans = operated.collector.of_job(operated.first)
    (job,) = (span for span in spans if span.name == "job")
    nodes = {span.name: span for span in spans if span is not job}
    assert nodes.keys() == {"EmptyImage", "SaveImage"}
    about = {one.key: one.value for one in job.attributes}
    assert about["dagfusion.outcome"].string_value == "completed"
    assert about["dagfusion.job_id"].string_value == operated.first
    for span in nodes.values():
        assert span.parent_span_id == job.span_id
        assert job.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= job.end_time_unix_nano
    until(lambda: len(operated.collector.of_job(operated.second)) >= 2)
    assert {span.name for span in operated.collector.of_job(operated.second)} == {
        "job",
        "SaveImage",
    }  # the rest: cached
    assert operated.collector.paths == {"/v1/traces"} and operated.collector.services == {"dagfusion"}
    until(lambda: any(span.name == "POST /v1/jobs" for span in list(operated.collector.spans)))


def figures(url: str) -> dict[str, set[str]]:
    """The labels of each metric, by the names that queries use."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What a worker with a GPU says besides."""
    cuda = SimpleNamespace(mem_get_info=lambda _: (1, 2), memory_reserved=lambda _: 1, memory_allocated=lambda _: 1)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    from adapters.run.worker import info

    engine: Any = SimpleNamespace(models=SimpleNamespace(device=SimpleNamespace(type="cuda")))
    memory = info._memory(engine)
    assert worker_info(None, LeasedJobs())["memory"].keys() < memory.keys()
    return {f"dagfusion_worker_memory_{name}": {"worker"} for name in memory}


def test_every_query_of_the_dashboard_finds_its_metrics(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> list[str]:
        return [name for expression in EXPRESSIONS for name in names_in(expression) if name not in known()]

    def known() -> dict[str, set[str]]:
        return figures(operated.service.url) | more

    more = of_a_gpu(monkeypatch)
    until(lambda: not missing())
    exported = known()
    for expression in EXPRESSIONS:
        for name in names_in(expression):
            assert labels_in(expression) <= exported[name] | {"instance", "le"}, expression


def names_in(expression: str) -> list[str]:
    return re.findall(r"dagfusion_\w+", expression)


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"\b(?:by|without) \(([^)]*)\)", expression)
    matched = re.findall(r"[{,](\w+)(?:=~|!~|!=|=)", expression)
    return {label.strip() for group in grouped for label in group.split(",")} | set(matched)


def test_the_queries_are_promql_and_the_panels_have_places_of_their_own() -> None:
    assert len(EXPRESSIONS) > 20 and all(names_in(expression) for expression in EXPRESSIONS)
    for expression in EXPRESSIONS:
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_what_waits_to_be_exported_is_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        with serving(tmp_path, tracing=True) as web, web.client() as client:
            client.get("/health")
        assert [span.name for span in collector.spans] == ["GET /health"]
