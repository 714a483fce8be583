"""What operators see: Prometheus figures, traces, log lines without secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.doors.http.tracing import record_job
from adapters.service.store.records import NewEvent
from tests.adapters.doors.http.serving import PICTURE, Web, eventually, serving
from tests.adapters.services import Service, until


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("observing")) as running:
        yield running


def _figure(text: str, name: str) -> float:
    found = re.search(rf"^dagfusion_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name} in the figures"
    return float(found[1])


def test_probes_are_no_news(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "adapters.doors.http.access")
    with web.client() as client:
        for path in ("/ping", "/health", "/ready", "/metrics", "/v1/jobs"):
            client.get(path)
        until(lambda: "GET /v1/jobs" in caplog.text)
    asked = [line for line in caplog.messages if line.startswith("GET /")]
    assert [line.split()[1] for line in asked] == ["/v1/jobs"]


def test_figures_tell_of_jobs_nodes_queue_and_requests(web: Web) -> None:
    with web.client() as client:
        for _ in range(2):
            client.post("/v1/jobs", json={"workflow": PICTURE})
        lease = web.claim()
        node = {"node_id": "1", "class_type": "EmptyImage", "display_id": "1", "cached": False, "seconds": 0.25}
        new_events = [
            NewEvent("run_started", {"steps": ["1"], "cached": ["2", "3"]}),
            NewEvent("node_finished", {**node, "shown": {}}),
        ]
        web.services.store.leases.record(lease, new_events)
        web.services.store.leases.fail(lease, {"type": "NodeFailed", "message": "x", "remedy": ""})
        web.services.store.workers.register("w1", "here", 1, {})
        info = {"memory": {"process_bytes": 3}, "cache": {"hits": 5, "bytes": 6}, "models": [1, 2], "models_bytes": 9}
        info |= {"disk_cache": {"hits": 7, "off": True}}
        web.services.store.workers.beat("w1", "ready", info)

        def check() -> None:
            text = client.get("/metrics").text
            assert _figure(text, 'jobs_total{outcome="failed"}') == 1
            assert _figure(text, 'job_seconds_count{outcome="failed"}') == 1
            assert _figure(text, "job_wait_seconds_count") == 1
            assert _figure(text, 'node_seconds_sum{class_type="EmptyImage"}') == 0.25
            assert _figure(text, "cached_steps_total") == 2
            assert _figure(text, 'queue_jobs{state="queued"}') == 1
            assert _figure(text, "queue_oldest_seconds") > 0
            assert _figure(text, 'workers{state="ready"}') == 1
            assert _figure(text, 'worker_cache_hits{worker="w1"}') == 5
            assert _figure(text, 'worker_disk_cache_hits{worker="w1"}') == 7
            assert _figure(text, 'worker_disk_cache_off{worker="w1"}') == 1
            assert _figure(text, 'worker_models{worker="w1"}') == 2
            assert _figure(text, 'worker_memory_process_bytes{worker="w1"}') == 3
            assert _figure(text, 'http_requests_total{method="POST",route="/v1/jobs",status="202"}') == 2

        eventually(check)
        assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_figures_of_a_real_worker(http: httpx.Client, service: Service) -> None:
    reply = http.post("/v1/jobs?wait=60", json={"workflow": PICTURE})
    assert reply.is_success and reply.json()["state"] == "completed", reply.text

    def check() -> None:
        text = http.get("/metrics").text
        assert _figure(text, 'jobs_total{outcome="completed"}') >= 1
        assert re.search(r"^dagfusion_worker_memory_process_bytes\{worker=", text, re.MULTILINE)
        assert re.search(r"^dagfusion_worker_model_loads\{worker=", text, re.MULTILINE)
        assert re.search(r"^dagfusion_worker_cache_hits\{worker=", text, re.MULTILINE)

    eventually(check)


def test_log_lines_name_the_job_and_keep_keys_out(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == "adapters.doors.http.access"]

    def check() -> None:
        assert len(lines()) == 3  # A line is written after its reply is out.

    with caplog.at_level(logging.INFO), web.client() as client:
        client.get("/v1/jobs/some-job", params={"api_key": "a-secret-key"})
        client.get("/v1/jobs", headers={"Authorization": "Bearer a-secret-key"})
        client.get("/v1/x%0aforged%20line")
        eventually(check)
    assert [job for record in lines() if (job := getattr(record, "job_id", ""))] == ["some-job"]
    assert all("\n" not in record.getMessage() for record in lines())
    assert not any("a-secret-key" in record.getMessage() for record in lines())


def test_traces_show_a_job_with_its_nodes() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from adapters.service.store.records import StoredEvent

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    node = {"node_id": "1", "class_type": "KSampler", "cached": False, "seconds": 2.0}
    happened = [
        ("queued", 10.0, {}),
        ("started", 11.0, {"attempt": 1}),
        ("node_finished", 14.0, node),
        ("failed", 15.0, {"error": {"message": "broken"}}),
    ]
    events = [StoredEvent(n, "job-1", n, at, kind, data) for n, (kind, at, data) in enumerate(happened, start=1)]
    record_job(provider.get_tracer("test"), events)
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("KSampler", "job")
    assert inner.parent is not None and inner.parent.span_id == outer.context.span_id
    assert (outer.start_time, outer.end_time) == (10_000_000_000, 15_000_000_000)
    assert (inner.start_time, inner.end_time) == (12_000_000_000, 14_000_000_000)
    assert outer.attributes is not None and outer.attributes["dagfusion.job_id"] == "job-1"
    assert not outer.status.is_ok and outer.status.description == "broken"


def test_requests_are_traced_where_it_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from adapters.doors.http import app

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(app, "open_tracer", lambda: provider.get_tracer("test"))
    with serving(tmp_path, tracing=True) as web, web.client() as client:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        job_id = client.post("/v1/jobs", json={"workflow": PICTURE}, headers=headers).json()["id"]
        web.complete(web.claim())

        def check() -> None:
            spans = {span.name: span for span in exporter.get_finished_spans()}
            assert spans.keys() >= {"POST /v1/jobs", "job"}
            request = spans["POST /v1/jobs"]
            assert f"{request.context.trace_id:032x}" == trace
            assert request.attributes is not None
            assert request.attributes["dagfusion.job_id"] == job_id
            assert request.attributes["http.response.status_code"] == 202

        eventually(check)


def test_nothing_of_tracing_is_imported_unless_it_is_on() -> None:
    import subprocess
    import sys

    # FastAPI itself imports OpenTelemetry's interface where that is installed, which does nothing by itself.
    heavy = "('opentelemetry.sdk', 'opentelemetry.exporter', 'torch.')"
    code = f"import sys, adapters.doors.http.app; print([m for m in sys.modules if m.startswith({heavy})])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
