"""The OpenAPI document is complete, and no request that it allows (or forbids) brings the service down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error

from tests.adapters.doors.http.serving import Web, serving

# Clients are generated from these names: one that is gone breaks them.
OPERATIONS = {
    "get_health": "GET /health",
    "get_ready": "GET /ready",
    "get_metrics": "GET /metrics",
    "submit_job": "POST /v1/jobs",
    "list_jobs": "GET /v1/jobs",
    "get_job": "GET /v1/jobs/{job_id}",
    "cancel_job": "DELETE /v1/jobs/{job_id}",
    "get_output": "GET /v1/jobs/{job_id}/outputs/{name}",
    "stream_events": "GET /v1/jobs/{job_id}/events",
    "check_workflow": "POST /v1/check",
    "generate": "POST /v1/generate",
    "generate_as_worker": "POST /generate",
    "list_nodes": "GET /v1/nodes",
    "get_node": "GET /v1/nodes/{class_type}",
    "list_models": "GET /v1/models",
    "list_graphs": "GET /v1/graphs",
    "get_graph": "GET /v1/graphs/{name}",
    "list_webhooks": "GET /v1/webhooks",
    "redeliver_webhook": "POST /v1/webhooks/{message_id}/redeliver",
    "create_key": "POST /v1/keys",
    "list_keys": "GET /v1/keys",
    "revoke_key": "DELETE /v1/keys/{key_id}",
    "get_stats": "GET /v1/stats",
    "get_memory_info": "GET /memory-info",
}
# The old worker's request waits for its picture, which here nobody draws.
_ENDLESS = "generate_as_worker"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("openapi"), queue_limit=100_000, read_timeout_s=5) as running:
        yield running


@pytest.fixture(scope="module")
def document(web: Web) -> dict[str, Any]:
    with web.client() as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
        return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_operations_keep_their_names(document: dict[str, Any]) -> None:
    found = {operation["operationId"]: name for name, operation in _operations(document)}
    assert {name: found.get(name) for name in OPERATIONS} == OPERATIONS


def test_every_operation_is_described_with_its_errors(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, operation in _operations(document):
        if operation["operationId"] not in OPERATIONS:
            continue
        assert operation["summary"] and operation["description"] and operation["tags"], name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            if status in ("401", "403", "404", "422", "429"):
                (media_type,) = response["content"]
                assert media_type == "application/problem+json", (name, status)
        if "/v1/" in name:
            assert {"401", "422", "429"} <= operation["responses"].keys(), name
    for name in ("JobRequest", "WorkflowRequest", "GenerateRequest", "JobDocument", "EventDocument", "ProblemDetails"):
        assert schemas[name]["description"], name
    assert schemas["JobRequest"]["example"]["workflow"]
    assert document["components"]["securitySchemes"].keys() == {"bearer", "header"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    waiting: list[Any] = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(reference := part.get("$ref"), str):
                assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def test_the_example_is_a_job(web: Web, document: dict[str, Any]) -> None:
    with web.client() as client:
        example = document["components"]["schemas"]["JobRequest"]["example"]
        assert client.post("/v1/jobs", json=example).status_code == 202


@pytest.mark.timeout(600)
def test_no_request_brings_it_down(web: Web, document: dict[str, Any]) -> None:
    paths = {path: methods for path, methods in document["paths"].items() if not path.startswith("/api/")}
    schema = schemathesis.openapi.from_dict({**document, "paths": paths})
    called = set()
    with web.client() as client:
        job_id = web.job_with(client, web.made("x.png", b"x", "image/png"))
    for result in schema.get_all_operations():
        operation = result.ok()
        name = operation.definition.raw.get("operationId")
        if name != _ENDLESS:
            called.add(name)
            _call_often(operation, name, web.url, job_id)
    assert called >= OPERATIONS.keys() - {_ENDLESS}


def _call_often(operation: Any, name: str, url: str, job_id: str) -> None:
    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), of_a_job=st.booleans())
    def call(case: Any, of_a_job: bool) -> None:
        if "wait" in (case.query or {}):
            case.query["wait"] = 0
        if of_a_job and "job_id" in (case.path_parameters or {}):
            case.path_parameters["job_id"] = job_id
        reply = case.call(base_url=url, timeout=20)
        if (name, reply.status_code) != ("get_ready", 503):  # there is no worker
            case.validate_response(reply, checks=[not_a_server_error])

    call()
