"""The README's table is what the records say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.command import write_table
from benchmarks.readme import END, HEADLINES, START, committed, insert, section
from benchmarks.record import Machine, append_records, read_records
from engine.errors import DagfusionError
from tests.benchmarks.making import record


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    steps = {"family": "sd15", "size_px": 512, "batch": 2, "compile": 0, "channels_last": 0}
    records = [
        record(
            [1.0, 1.005, 0.995], case="step", metric="ratio", unit="x", parameters=steps, dtype="float32", bound=1.03
        ),
        record([17.0, 18.0, 22.0, 18.5]),
        record([3.0], metric="nodes run", unit=""),
        record([5.0], parameters={"shape": "wide", "nodes": 100_000, "run": "cached"}, label="before"),
        record([4.0], parameters={"shape": "wide", "nodes": 100_000, "run": "cached"}, label="after"),
    ]
    append_records(records, path)
    return path


def test_there_is_a_row_for_each_figure_that_has_a_sentence(results: Path) -> None:
    head, empty, names, rule, *rows = section([results]).splitlines()
    assert head == "Measured on 4 cores of Example 9000, 32 GiB, no GPU; torch 2.13.0 diffusers 0.42.1; 2026-01-02."
    assert (empty, names, rule) == ("", "| what | figure | command |", "|---|---|---|")
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["chain of 400 trivial nodes, fresh: the engine's own time", "18.2 ± 0.812 ms", "`dagfusion bench overhead`"],
        ["wide of 100,000 trivial nodes, cached: the engine's own time", "before 5 ms, after 4 ms", ""],
        [
            "a step of sd15's UNet at 512 px, batch 2, float32, against the bare diffusers module",
            "1 (promised: at most 1.03)",
            "`dagfusion bench step`",
        ],
    ]


def test_a_bound_that_is_not_kept_is_said_so(tmp_path: Path) -> None:
    append_records([record([18.0], bound=17.0)], tmp_path / "a.jsonl")
    assert "| 18 ms (wanted: at most 17) |" in section([tmp_path / "a.jsonl"])


def test_each_machine_has_a_table(results: Path) -> None:
    big = Machine(cpu="Other", cores=1, ram_gib=128.0, gpu="Example GPU", gpu_gib=80.0)
    append_records([record([1.0], machine=big)], results)
    made = section([results])
    assert "Measured on 1 core of Other, 128 GiB, Example GPU (80 GiB); " in made
    assert made.count("| what | figure | command |") == 2


def test_the_table_goes_between_the_marks_and_nowhere_else(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    with pytest.raises(DagfusionError, match="not what the records say"):
        write_table([results], readme, check=True)
    assert "old" in readme.read_text()
    write_table([results], readme, check=False)
    assert readme.read_text() == f"before\n{START}\n{section([results])}\n{END}\nafter\n"
    write_table([results], readme, check=True)


def test_the_first_page_has_a_few_rows_of_the_same_figures() -> None:
    few, all_of_them = section(committed(), headlines=True), section(committed())
    rows = [row.rpartition(" | ")[0] for row in few.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == len(HEADLINES)
    assert all(row in all_of_them for row in rows)


@pytest.mark.parametrize("text", ["", START, END, f"{END}{START}", f"{START}{START}{END}"])
def test_a_file_without_its_two_marks_is_refused(text: str) -> None:
    with pytest.raises(DagfusionError, match="no place for the table"):
        insert(text, "table")


def test_the_committed_records_can_be_told_and_tell_of_no_path() -> None:
    assert section(committed())
    for path in committed():
        assert read_records(path)
        assert "/home" not in path.read_text() and "/tmp" not in path.read_text()
        assert path.stat().st_size < 200_000
