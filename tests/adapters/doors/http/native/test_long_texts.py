"""Long texts: whole as an output, short wherever else they are told of, refused where one node makes too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.adapters.services import Service

_DOUBLED = "the quick brown fox"


def doubled(times: int) -> dict[str, Any]:
    """Each node joins the text of the one before with itself; the last text is shown."""
    prompt: dict[str, Any] = {}
    for number in range(times):
        before: Any = [str(number - 1), 0] if number else _DOUBLED
        prompt[str(number)] = {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": before, "string_b": before, "delimiter": ""},
        }
    return prompt | {"show": {"class_type": "PreviewAny", "inputs": {"source": [str(times - 1), 0]}}}


def test_a_long_text_comes_whole_and_is_told_of_in_short(http: httpx.Client, service: Service) -> None:
    times = 16
    before_bytes = _database_bytes(service)
    job_id = http.post("/v1/jobs", json={"workflow": doubled(times)}).json()["id"]
    service.ended(job_id)
    text = _DOUBLED * 2**times
    (output,) = http.get(f"/v1/jobs/{job_id}").json()["outputs"]
    assert (output["value"], output["media_type"], output["size_bytes"]) == (None, "text/plain", len(text))
    link = httpx.URL(output["url"])
    reply = http.get(link.raw_path.decode())
    assert reply.text == text and reply.headers["content-disposition"].startswith("attachment")
    history = http.get(f"/history/{job_id}")
    (shown,) = history.json()[job_id]["outputs"]["show"]["text"]
    assert shown.startswith(_DOUBLED * 100) and f"{len(text):,} bytes" in shown
    assert len(history.content) < 200_000
    assert all(len(str(event.data)) < 70_000 for event in service.store.events.of_job(job_id))
    assert _database_bytes(service) - before_bytes < len(text)


def test_a_node_that_makes_too_much_text_is_named_and_little_is_stored(http: httpx.Client, service: Service) -> None:
    before_bytes = _database_bytes(service)
    job_id = http.post("/v1/jobs", json={"workflow": doubled(30)}).json()["id"]
    job = service.ended(job_id)
    assert job.error is not None
    assert (job.state, job.attempts, job.error["node_id"]) == ("failed", 1, "19")
    assert "16 MiB" in job.error["message"] and "DAGFUSION_MAX_TEXT_MIB" in job.error["remedy"]
    assert _database_bytes(service) - before_bytes < 2**20


def test_a_long_expression_is_not_repeated_whole(http: httpx.Client, service: Service) -> None:
    expression = "+".join(["unknown_name"] * 2_000)
    node = {"class_type": "ComfyMathExpression", "inputs": {"expression": expression, "values.a": ["0", 0]}}
    number = {"class_type": "PrimitiveInt", "inputs": {"value": 1}}
    prompt = {"0": number, "1": node, "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}}
    log_from = len(service.log)
    job = service.ended(http.post("/v1/jobs", json={"workflow": prompt}).json()["id"])
    assert job.error is not None and "unknown_name" in job.error["message"]
    assert len(job.error["message"]) < 1_000
    assert all(len(line) < 2_000 for line in service.log[log_from:].splitlines())


def _database_bytes(service: Service) -> int:
    data = Path(service.settings["data"])
    return sum(file.stat().st_size for file in data.glob("queue.sqlite*"))
