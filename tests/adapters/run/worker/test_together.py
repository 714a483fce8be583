"""How many jobs are computed at once where that is left to the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.host.loading import load_engine, load_folders, load_registry
from adapters.host.settings import read_settings
from adapters.run.worker.together import TRIED, WORTH, choose, measure_together
from engine.errors import DagfusionError
from tests.adapters.services import Service, picture_prompt, running


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({1: 100, 2: 99}, 1),  # a CPU: no more pictures
        ({1: 100, 2: 109}, 1),  # so little more that each one is only slower
        ({1: 100, 2: 180, 4: 260, 8: 270}, 4),
        ({1: 100, 2: 180, 4: 150}, 2),
        ({1: 100, 2: 200, 4: 400, 8: 800}, 8),
    ],
)
def test_the_least_number_that_brings_more(rates: dict[int, float], chosen: int) -> None:
    found = choose(lambda jobs: rates[jobs], clock=lambda: 0.0)  # asked for a number that is not there, it raises
    assert (found.jobs, found.pictures_per_minute) == (chosen, rates)


@given(st.lists(st.floats(0.1, 1e4), min_size=4, max_size=4))
def test_what_is_chosen_is_no_slower_than_one_by_one(rates: list[float]) -> None:
    known = dict(zip(TRIED, rates, strict=True))
    found = choose(known.__getitem__, clock=lambda: 0.0)
    assert known[found.jobs] >= known[1]
    assert found.jobs == 1 or known[found.jobs] >= WORTH * known[found.jobs // 2]


def test_a_slow_machine_is_not_tried_for_long() -> None:
    times = iter([0.0, 30.0, 61.0])
    assert choose(lambda jobs: 10.0 * jobs, budget_s=60, clock=lambda: next(times)).pictures_per_minute == {
        1: 10,
        2: 20,
    }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("together"), together="auto") as service:
        yield service


def test_a_worker_tries_it_out_at_its_start_and_says_what_it_chose(service: Service) -> None:
    service.wait_for_worker()
    (worker,) = httpx.get(f"{service.url}/v1/stats").json()["workers"]
    info = worker["info"]
    measured = info["together_measured"]
    rates = {int(jobs): rate for jobs, rate in measured["pictures_per_minute"].items()}
    assert info["together"] == measured["jobs"] == choose(rates.__getitem__, clock=lambda: 0.0).jobs
    assert set(rates) >= {1, 2} and all(rate > 0 for rate in rates.values())
    assert measured["checkpoint"] == "tiny.safetensors" and measured["side_px"] > 0
    assert re.search(rf"jobs computed at once: {info['together']} \(pictures/min of tiny.safetensors", service.log)
    assert service.ended(service.submit(picture_prompt())).state == "completed"


def test_where_nothing_can_be_tried_out_the_engine_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.host.loading.EMBEDDED_MODELS", tmp_path / "none")
    settings = read_settings({"together": "auto", "fingerprints": tmp_path / "f.json", "disk_cache_mib": 0})
    engine = load_engine(settings, load_registry(settings), load_folders(settings))
    before = engine.at_once
    assert measure_together(engine, []) is None and engine.at_once == before


@pytest.mark.parametrize("wrong", ["0", "-1", "all"])
def test_other_words_are_refused(wrong: str) -> None:
    with pytest.raises(DagfusionError, match="together"):
        read_settings({"together": wrong})
    assert read_settings({"together": "3"}).together == 3
