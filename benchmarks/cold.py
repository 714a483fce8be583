"""``dagfusion bench cold``: from the start of a process until it lives, is ready and has drawn a picture, by stage."""

from __future__ import annotations

import re
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from adapters.host.settings import EMBEDDED_MODELS
from benchmarks.case import Bench, Figure, case
from benchmarks.fresh import in_a_process, process

TOP = 8  # packages that are named
_PROCESS = "benchmarks.cold_process"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
_TOLD = {
    "picture": "A {start} process has drawn its first picture with the checkpoint {model} after that time",
}


@case(
    "cold",
    axes={"model": ("tiny", "sd15"), "start": ("new", "forked")},
    quick={"model": ("tiny",), "start": ("forked",)},
    repeats=3,
    told=_TOLD,
)
def cold(bench: Bench, *, model: str, start: str) -> Iterator[Figure]:
    """From the start of a process until it lives, is ready and has drawn; forked: from one that is warm already.

    The fork stands in for a snapshot of memory: everything is imported, and the weights are in memory.
    """
    folder = bench.once(("folder", model), lambda: _prepared(bench.folder / model, model))
    checkpoint = f"{model}.safetensors"
    if start == "forked":
        yield from _figures(in_a_process(_PROCESS, "forked", str(folder), checkpoint, str(bench.repeats)))
        return
    yield from _figures([_service(folder, checkpoint, number) for number in range(bench.repeats)])
    runs = [in_a_process(_PROCESS, "stages", str(folder), checkpoint) for _ in range(bench.repeats)]
    for metric, found in zip(("stage", "stage, processor"), zip(*runs, strict=True), strict=True):
        yield from (Figure(metric, "s", [one[name] for one in found], more={"stage": name}) for name in found[0])
    costs = [_import_costs(folder, checkpoint) for _ in range(bench.repeats)]
    for package in sorted(costs[0], key=lambda name: -costs[0][name])[:TOP]:
        yield Figure("import", "s", [one[package] for one in costs], more={"package": package})


def _figures(runs: list[dict[str, float]]) -> Iterator[Figure]:
    samples: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, seconds in run.items():
            samples[name].append(seconds)
    return (Figure(name, "s", taken) for name, taken in samples.items())


def _prepared(folder: Path, model: str) -> Path:
    checkpoints = folder / "models" / "checkpoints"
    checkpoints.mkdir(parents=True)
    if model == "tiny":
        shutil.copyfile(EMBEDDED_MODELS / "checkpoints" / "tiny.safetensors", checkpoints / "tiny.safetensors")
    else:
        from benchmarks.weights import write_checkpoint

        write_checkpoint(checkpoints, model).rename(checkpoints / f"{model}.safetensors")
    for name in ("input", "output", "temp"):
        (folder / name).mkdir()
    return folder


def _service(folder: Path, checkpoint: str, number: int) -> dict[str, float]:
    """``dagfusion serve --warm CHECKPOINT``, asked until it has drawn."""
    import httpx

    from benchmarks.cold_process import milestones
    from benchmarks.service import running

    started_at = time.monotonic()
    places = {"models": str(folder / "models"), "fingerprints": str(folder / "fingerprints.json"), "warm": checkpoint}
    with (
        running(folder / f"service {number}", ready=False, threads=None, **places) as service,
        httpx.Client(base_url=service.url, timeout=90) as http,
    ):
        return dict(milestones(http, checkpoint, started_at))


def _import_costs(folder: Path, checkpoint: str) -> defaultdict[str, float]:
    """Seconds that modules took themselves, by package (``-X importtime``; its own cost is in them)."""
    done = process(_PROCESS, ["stages", str(folder), checkpoint], ["-X", "importtime"])
    costs: defaultdict[str, float] = defaultdict(float)
    for line in done.stderr.splitlines():
        if found := _LINE.match(line):
            costs[found[2].partition(".")[0]] += int(found[1]) / 1e6
    return costs
