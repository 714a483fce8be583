"""``--against``: the same workflows on two servers that speak ComfyUI's protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from websockets.sync.server import serve

from benchmarks import registry, rivals
from benchmarks.record import Record
from benchmarks.run import BenchOptions, run
from benchmarks.service import running
from engine.errors import DagfusionError
from engine.workflow import NodeDocument


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that is there already."""
    with running(tmp_path_factory.mktemp("other")) as service:
        yield service.url


def test_both_run_the_same_workflows_in_turns(other: str) -> None:
    options = BenchOptions(repeats=2, against=other, axes={"shape": ("chain", "pictures"), "nodes": (5,)})
    records: list[Record] = list(run(registry.find("overhead"), options))
    assert [(one.parameters["run"], one.subject, one.metric) for one in records] == [
        (kind, subject, metric)
        for kind in ("fresh", "cached")
        for subject, metric in (("dagfusion", "over HTTP"), ("comfyui", "over HTTP"), ("dagfusion", "ratio"))
    ]
    ours, theirs, ratio = records[:3]
    assert ratio.samples == [a / b for a, b in zip(ours.samples, theirs.samples, strict=True)]
    assert str(ours.parameters["against"]).startswith("ComfyUI ")


def test_a_workflow_that_a_server_does_not_take_is_an_error(other: str) -> None:
    with pytest.raises(DagfusionError, match="does not take the workflow"):
        rivals.Server(other).run({"1": NodeDocument(class_type="NoSuchNode", inputs={})})


def test_a_server_that_goes_away_is_an_error_with_its_address() -> None:
    with pytest.raises(DagfusionError, match=r"127\.0\.0\.1:9 went away"):
        rivals.Server("http://127.0.0.1:9").checkpoints()
    with serve(lambda socket: socket.close(), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with pytest.raises(DagfusionError, match=f":{port} went away"):
            rivals.Server(f"http://127.0.0.1:{port}").run({})
        server.shutdown()
