"""``dagfusion bench --against URL``: the page about two servers, with another one of ours as the rival."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.beside import _in_common
from benchmarks.command import show_beside
from benchmarks.page import page
from benchmarks.processes import held_mib, listening_at
from benchmarks.record import read_records
from benchmarks.rivals import Pair, Server
from benchmarks.service import Service, running
from engine.errors import DagfusionError
from tests.benchmarks.test_command import bench


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("other")) as service:
        yield service


def test_the_page_says_how_the_two_compare(other: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "records.jsonl"
    show_beside(["size_px=64"], path, append=False, quick=True, repeats=1, against=other.url)
    printed = capsys.readouterr().out
    assert printed.startswith("# dagfusion beside ComfyUI 0.33.0\n") and "tiny.safetensors, 64 x 64 px" in printed
    rows = {cells[1]: cells[2:5] for line in printed.splitlines() if len(cells := re.split(r" ?\| ?", line)) > 5}
    for title in ("pictures a minute, one by one", "first picture after models were let go"):
        ours, theirs, ratio = rows[title]
        assert float(ours.split()[0]) > 0 and float(theirs.split()[0]) > 0 and float(ratio) > 0
    assert float(rows["from the start of the process until it is ready"][0].split()[0]) > 0
    assert rows["from the start of the process until it is ready"][1] == "not measured: it was running"
    for cell in rows["memory of its processes after the pictures"][:2]:
        assert float(cell.split()[0]) > 150  # a worker with torch is among them
    difference = re.search(r"differ by (\S+) of 255 levels", printed)
    # Both are the same program; each finds out by itself which kernels are quickest, so a level may round otherwise.
    assert difference is not None
    assert float(difference[1]) < 0.01
    records = read_records(path)
    assert page(records) == printed
    found = {(one.metric, one.subject) for one in records}
    assert found >= {("pictures", "comfyui"), ("again", "dagfusion"), ("start to picture", "dagfusion")}
    # It drew there: the rounds, one more to warm up, twice the same, and one after all models were let go.
    history = httpx.get(f"{other.url}/history").json()
    assert len(history) == 5


def test_a_server_of_this_machine_is_found_by_its_port(other: Service) -> None:
    process = listening_at(other.url)
    assert process is not None and process.pid == other.process.pid
    assert held_mib(process) > 150
    assert listening_at("http://192.0.2.1:8188") is None and process.pid != os.getpid()


def test_both_ways_of_writing_choices_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(kind: object, *options: object) -> None:
        document = {"CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [kind, *options]}}}}
        reply = httpx.Response(200, json=document, request=httpx.Request("GET", "http://x"))
        monkeypatch.setattr(httpx, "get", lambda *_, **__: reply)

    says(["a", "b"])
    assert Server("http://x").checkpoints() == ["a", "b"]
    says("COMBO", {"options": ["a"]})
    assert Server("http://x").checkpoints() == ["a"]


@pytest.mark.parametrize(("wanted", "said"), [("", "no checkpoint of the other"), ("mine", "'mine' is not on both")])
def test_without_a_common_checkpoint_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, wanted: str, said: str
) -> None:
    names = {"ours": ["mine"], "theirs": ["its"]}
    monkeypatch.setattr(Server, "checkpoints", lambda self: names[self.url])
    with pytest.raises(DagfusionError, match=said):
        _in_common(Pair(Server("ours"), Server("theirs"), "ComfyUI"), wanted)


def test_what_is_wrong_is_said_in_a_line() -> None:
    assert "there is nothing to measure" in bench("--quick", code=1)
    assert "does not answer as ComfyUI does" in bench("--against", "http://127.0.0.1:9", code=1)
