"""``dagfusion bench`` as it is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import registry
from benchmarks.record import append_records, read_records
from benchmarks.shapes import SHAPES
from tests.benchmarks.making import record

DAGFUSION = Path(sys.executable).parent / "dagfusion"


def bench(*arguments: object, code: int = 0) -> str:
    """What it printed, on both streams."""
    done = subprocess.run(
        [DAGFUSION, "bench", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def test_a_case_is_measured_shown_and_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append_records([record([1.0])], path)
    axes = ("--set", "nodes=10,20", "--set", "shape=wide")
    printed = bench("overhead", *axes, "--repeats", 3, "--json", path, "--append", "--label", "after")
    assert "fresh" in printed and "cached" in printed and "engine" in printed
    before, *records = read_records(path)
    assert before == record([1.0])
    assert {one.parameters["nodes"] for one in records} == {10, 20}
    assert {len(one.samples) for one in records} == {3}
    assert {one.label for one in records} == {"after"}


def test_all_cases_are_listed() -> None:
    printed = bench("list")
    for name in registry.names():
        assert f"\n{name} " in f"\n{printed}"
    assert ",".join(SHAPES) in printed


def test_listing_loads_no_torch() -> None:
    code = "import sys; from benchmarks import registry; list(registry.every()); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "False", done.stderr


def test_two_files_are_compared(tmp_path: Path) -> None:
    append_records([record([10.0, 10.1, 9.9]), record([1.0], metric="gone")], tmp_path / "before.jsonl")
    append_records([record([5.0, 5.1, 4.9])], tmp_path / "after.jsonl")
    printed = bench("compare", tmp_path / "before.jsonl", tmp_path / "after.jsonl")
    assert "0.500" in printed and "better" in printed
    assert "1 quantities are in before.jsonl alone" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stepp",), "did you mean 'step'"),
        (("overhead", "--set", "node=1"), "did you mean 'nodes'"),
        (("overhead", "--set", "shape=round"), "no shape 'round'"),
        (("overhead", "--against", "http://127.0.0.1:9", "--set", "shape=pictures"), "does not answer as ComfyUI does"),
        (("compare", "missing.jsonl", "missing.jsonl"), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    assert said in " ".join(bench(*arguments, code=1).split())


def test_records_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sizes = [record([n / 10], parameters={"shape": s, "nodes": n}) for n in (10, 1000) for s in ("chain", "wide")]
    append_records([*sizes, record([1.0], metric="share", unit="%", parameters={})], tmp_path / "a.jsonl")
    bench("plot", tmp_path / "a.jsonl", "-o", tmp_path / "pictures")
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in pictures] == ["overhead-engine.png", "overhead-share.png"]
    for path in pictures:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors() or ()) > 1


def test_the_table_is_printed(tmp_path: Path) -> None:
    append_records([record([10.0])], tmp_path / "a.jsonl")
    assert "| chain of 400 trivial nodes, fresh: the engine's own time | 10 ms |" in bench(
        "table", tmp_path / "a.jsonl"
    )
