"""Two files of records side by side."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.compare import alone, compare, interval
from tests.benchmarks.making import record

SAMPLES = st.lists(st.floats(0.001, 1000), min_size=3, max_size=12)


def test_pairs_are_made_by_case_metric_and_parameters() -> None:
    first = [record([1.0]), record([2.0], parameters={"nodes": 10}), record([3.0], dtype="float32")]
    second = [record([9.0], dtype="float32"), record([4.0]), record([5.0], metric="other")]
    assert [(c.first.median, c.second.median) for c in compare(first, second)] == [(1.0, 4.0), (3.0, 9.0)]
    assert [one.median for one in alone(first, second)] == [2.0]
    assert [one.metric for one in alone(second, first)] == ["other"]


def test_of_several_runs_the_last_one_counts() -> None:
    (pair,) = compare([record([1.0]), record([2.0])], [record([8.0]), record([6.0])])
    assert pair.ratio == 3.0


@pytest.mark.parametrize(("better", "verdict"), [("lower", "better"), ("higher", "worse")])
def test_a_clear_difference_is_marked_by_what_is_better(better: str, verdict: str) -> None:
    slow, quick = record([10.0, 10.1, 9.9, 10.2], better=better), record([5.0, 5.1, 4.9, 5.2], better=better)
    (pair,) = compare([slow], [quick])
    assert pair.verdict == verdict
    assert pair.low < pair.ratio < pair.high < 0.6


def test_what_lies_within_the_noise_is_the_same() -> None:
    (pair,) = compare([record([1.0, 2.0, 1.5, 1.2])], [record([1.1, 1.9, 1.4, 1.3])])
    assert pair.verdict == "same"


def test_too_few_samples_say_nothing() -> None:
    (pair,) = compare([record([1.0, 1.0, 1.0])], [record([9.0, 9.0])])
    assert pair.verdict == "unsure"


def test_counts_that_never_vary_differ_as_soon_as_they_differ() -> None:
    assert compare([record([0.0] * 3)], [record([0.0] * 3)])[0].verdict == "same"
    assert compare([record([7.0] * 3)], [record([8.0] * 3)])[0].verdict == "worse"
    assert compare([record([0.0] * 3)], [record([8.0] * 3)])[0].ratio == float("inf")


@given(SAMPLES)
def test_a_file_does_not_differ_from_itself(samples: list[float]) -> None:
    (pair,) = compare([record(samples)], [record(samples)])
    assert (pair.ratio, pair.verdict) == (1.0, "same")


@given(SAMPLES, st.floats(0.01, 100))
def test_the_ratio_is_the_factor_between_the_samples(samples: list[float], factor: float) -> None:
    (pair,) = compare([record(samples)], [record([factor * sample for sample in samples])])
    assert pair.ratio == pytest.approx(factor)
    assert pair.low <= pair.ratio * 1.000001 and pair.ratio <= pair.high * 1.000001


@given(SAMPLES, SAMPLES)
def test_the_interval_lies_between_the_extremes(first: list[float], second: list[float]) -> None:
    low, high = interval(first, second)
    assert min(second) / max(first) <= low * 1.000001
    assert low <= high <= max(second) / min(first) * 1.000001


def test_noise_alone_is_seldom_called_a_difference() -> None:
    draw = random.Random(0)
    wrong = 0
    for _ in range(200):
        first, second = ([draw.gauss(10, 1) for _ in range(9)] for _ in range(2))
        wrong += compare([record(first)], [record(second)])[0].verdict != "same"
    assert wrong <= 20
