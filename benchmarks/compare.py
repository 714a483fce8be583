"""Two files of records side by side: the ratio of each pair, how sure it is, and what differs beyond the noise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.record import Record
from benchmarks.show import described, number, parameters

Verdict = Literal["better", "worse", "same", "unsure"]
Key = tuple[str, ...]
RESAMPLES = 2_000
CONFIDENCE = 0.95
FEWEST = 3


@dataclass(frozen=True)
class Comparison:
    """One quantity in both files. ``ratio``: the second's median over the first's; ``low`` and ``high``: see below."""

    first: Record
    second: Record
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether it differs beyond the noise, and which way is better; fewer than three samples tell nothing."""
        if min(len(self.first.samples), len(self.second.samples)) < FEWEST:
            return "unsure"
        if self.low <= 1.0 <= self.high:
            return "same"
        return "better" if (self.ratio < 1.0) == (self.first.better == "lower") else "worse"


def key(record: Record) -> Key:
    """What two records must have in common to be compared: all but the machine, the versions and the samples."""
    parameters = json.dumps(record.parameters, sort_keys=True)
    return (record.case, record.subject, record.metric, parameters, record.dtype, record.kernel, record.device)


def compare(first: Sequence[Record], second: Sequence[Record]) -> list[Comparison]:
    """Every quantity that is in both, in the first's order. Where a file has one several times, its last one counts."""
    others = {key(record): record for record in second}
    own = {key(record): record for record in first}
    return [_pair(record, others[name]) for name, record in own.items() if name in others]


def alone(first: Sequence[Record], second: Sequence[Record]) -> list[Record]:
    """Those of ``first`` that ``second`` has not."""
    known = {key(record) for record in second}
    return [record for record in first if key(record) not in known]


def _pair(first: Record, second: Record) -> Comparison:
    low, high = interval(first.samples, second.samples)
    return Comparison(first, second, _over(second.median, first.median), low, high)


def interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Where the ratio of the medians lies with 95 % confidence: percentiles over resampled samples (the bootstrap)."""
    draw = np.random.default_rng(0)
    under, over = (
        np.median(draw.choice(np.asarray(samples, float), (RESAMPLES, len(samples))), axis=1)
        for samples in (first, second)
    )
    ratios = [_over(a, b) for a, b in zip(over.tolist(), under.tolist(), strict=True)]
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(ratios, (edge, 1 - edge), method="nearest")
    return float(low), float(high)


def _over(over: float, under: float) -> float:
    if under == 0:
        return 1.0 if over == 0 else float("inf")
    return over / under


def rows(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """The cells of a table: what, both medians, the ratio with its interval, the verdict."""
    return [
        [
            f"{c.first.case}: {c.first.metric}" + (f" of {c.first.subject}" if c.first.subject != "dagfusion" else ""),
            described(parameters(c.first)),
            f"{number(c.first.median)} {c.first.unit}".strip(),
            f"{number(c.second.median)} {c.second.unit}".strip(),
            f"{c.ratio:.3f}",
            f"{c.low:.3f}-{c.high:.3f}" if c.verdict != "unsure" else "",
            c.verdict,
        ]
        for c in comparisons
    ]
