"""Records as pictures: one PNG a case and metric."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.record import Record, Value
from benchmarks.show import parameters, plain
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 50  # values this far apart are drawn on logarithmic scales


def plot(records: Sequence[Record], folder: Path) -> list[Path]:
    """Draw every metric of every case into ``folder``: lines along the parameter that has most numbers, else bars.

    Returns the files. Raises ``DagfusionError`` where matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise DagfusionError("plots need matplotlib", remedy="pip install 'dagfusion[bench]'") from error
    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    grouped: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        grouped[record.case, record.metric].append(record)
    return [_draw(group, folder / _file_name(*name)) for name, group in grouped.items()]


def _file_name(case: str, metric: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{case} {metric}".lower()).strip("-") + ".png"


def _draw(records: Sequence[Record], path: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    along = longest_axis(records)
    if along is None:
        _bars(axes, records)
    else:
        _lines(axes, records, along)
    axes.set_title(f"{records[0].case}: {records[0].metric}")
    axes.set_axisbelow(True)
    axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def longest_axis(records: Sequence[Record]) -> str | None:
    """The numeric parameter with most values, two at least."""
    values: dict[str, set[Value]] = defaultdict(set)
    for record in records:
        for name, value in record.parameters.items():
            if not isinstance(value, str | bool):
                values[name].add(value)
    counted = [(len(found), name) for name, found in values.items() if len(found) > 1]
    return max(counted, key=lambda one: one[0])[1] if counted else None


def _lines(axes: Axes, records: Sequence[Record], along: str) -> None:
    lines: dict[str, list[Record]] = defaultdict(list)
    for name, record in zip(_names(records, without=along), records, strict=True):
        if along in record.parameters:
            lines[name].append(record)
    for name, line in lines.items():
        points = sorted(line, key=lambda record: float(record.parameters[along]))
        x = [float(record.parameters[along]) for record in points]
        spread = [record.spread for record in points]
        axes.errorbar(x, [record.median for record in points], yerr=spread, marker="o", capsize=3, label=name or None)
    axes.set_xlabel(along)
    axes.set_ylabel(records[0].unit)
    along_values = [float(record.parameters[along]) for record in records if along in record.parameters]
    if min(along_values) > 0 and max(along_values) > WIDE * min(along_values):
        axes.set_xscale("log")
        axes.set_yscale("log")
    if any(lines):
        axes.legend(fontsize="small")


def _bars(axes: Axes, records: Sequence[Record]) -> None:
    axes.barh(range(len(records)), [record.median for record in records], xerr=[record.spread for record in records])
    axes.set_yticks(range(len(records)), _names(records), fontsize="small")
    axes.invert_yaxis()
    axes.set_xlabel(records[0].unit)


def _names(records: Sequence[Record], without: str | None = None) -> list[str]:
    """What tells each of them from the others."""
    told = [{"of": r.subject, **parameters(r), "label": r.label} for r in records]
    every = dict.fromkeys(name for one in told for name in one)
    varying = [name for name in every if name != without and len({one.get(name) for one in told}) > 1]
    return [" ".join(f"{name}={plain(one[name])}" for name in varying if one.get(name, "") != "") for one in told]
