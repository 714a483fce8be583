"""Prompts that are nearly right: whatever a client sends, the service answers and goes on."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.doors.http.comfy.test_clients import sampling_prompt

EXAMPLES = int(os.environ.get("DAGFUSION_TEST_EXAMPLES", "300"))
# "Hog" and the like are of other tests: nothing here may cost more than checking does.
SEEDS = [
    sampling_prompt(),
    {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "width": 8, "height": 8}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    },
]
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, -0.0, True, None])
)
TEXTS = st.one_of(st.text(), st.sampled_from(["", "\0", "\ud800", "../../x", "1", "NaN", "x" * 5000, "KSampler"]))
SCALARS = st.one_of(NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A workflow with up to four of its places changed, removed, doubled or put elsewhere."""
    tree: Any = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        parents = [node for node in _containers(tree) if node]
        if not parents:
            return draw(VALUES)
        parent = draw(st.sampled_from(parents))
        key = draw(st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent))))
        match draw(st.integers(0, 4)):
            case 0:
                parent[key] = draw(VALUES)
            case 1:
                del parent[key]
            case 2:
                parent[key] = copy.deepcopy(draw(st.sampled_from(_containers(tree))))
            case 3 if isinstance(parent, dict):
                parent[draw(TEXTS)] = draw(VALUES)
            case _:
                parent[key] = [draw(st.sampled_from(list(tree) if isinstance(tree, dict) else ["1"])), draw(NUMBERS)]
    return tree


def _containers(tree: Any) -> list[Any]:
    found, waiting = [], [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            found.append(one)
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return found


BODIES = st.fixed_dictionaries(
    {"prompt": mutated()},
    optional={
        "number": VALUES,
        "front": VALUES,
        "client_id": VALUES,
        "prompt_id": VALUES,
        "extra_data": VALUES | st.dictionaries(st.sampled_from(["extra_pnginfo", "client_id"]), VALUES),
        "partial_execution_targets": VALUES,
    },
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(body=BODIES)
def test_no_prompt_breaks_the_service(http: httpx.Client, body: dict[str, Any]) -> None:
    reply = http.post("/prompt", content=json.dumps(body))
    assert reply.status_code in (200, 400, 409, 503), reply.text
    told = reply.json()
    if reply.status_code == 200:
        job_id = told["prompt_id"]
        http.post("/queue", json={"delete": [job_id]})
        http.post("/interrupt", json={"prompt_id": job_id})
        assert http.get(f"/history/{job_id}").status_code == 200
    else:
        assert set(told) == {"error", "node_errors"}
        assert all(
            set(entry) == {"errors", "dependent_outputs", "class_type"} for entry in told["node_errors"].values()
        )


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(path=st.sampled_from(["/queue", "/history", "/interrupt", "/free", "/settings", "/settings/a"]), body=VALUES)
def test_no_body_breaks_the_service(http: httpx.Client, path: str, body: Any) -> None:
    # Not the whole queue and history: other tests use the same service.
    body = {key: value for key, value in body.items() if key != "clear"} if isinstance(body, dict) else body
    if path == "/interrupt" and isinstance(body, dict):
        body["prompt_id"] = body.get("prompt_id") or "nobody"
    reply = http.post(path, content=json.dumps(body))
    assert reply.status_code in (200, 422), reply.text


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(query=st.dictionaries(st.sampled_from(["filename", "subfolder", "type", "preview", "channel"]), st.text()))
def test_no_name_breaks_the_view(http: httpx.Client, query: dict[str, str]) -> None:
    assert http.get("/view", params=query).status_code in (404, 422)
