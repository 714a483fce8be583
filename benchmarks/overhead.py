"""``dagfusion bench overhead``: what the engine itself costs, without what the nodes' functions take."""

from __future__ import annotations

import gc
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import rivals
from benchmarks.case import Bench, Figure, case
from benchmarks.shapes import SHAPES, Nodes, pictures, trivial_registry, with_one_change
from engine.context import Context
from engine.errors import DagfusionError
from engine.folders import Folders
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.workflow import Workflow
from nodes import builtin_registry

if TYPE_CHECKING:
    from engine.engine import Engine

CACHE_BYTES = 8 * 2**30
LONGEST_PICTURES = 1_000
RUNS = ("fresh", "cached", "one change")


class OwnTime:
    """Adds up the time inside the node functions of a registry."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, spec: NodeSpec) -> NodeSpec:
        """The class, its function timed."""

        def run(ctx: Context, **inputs: Any) -> Any:
            started = time.perf_counter()
            try:
                return spec.run(ctx, **inputs)
            finally:
                self.seconds += time.perf_counter() - started

        run.__wrapped__ = spec.run  # type: ignore[attr-defined]
        timed = replace(spec, run=run)
        # The schema is the wrapped function's.
        timed.__dict__.update(inputs=spec.inputs, outputs=spec.outputs)
        return timed


@dataclass
class Taken:
    """Samples of one kind of run: the engine's own milliseconds, those of the processor a node, the nodes that ran."""

    engine_ms: list[float] = field(default_factory=list)
    node_us: list[float] = field(default_factory=list)
    ran: list[float] = field(default_factory=list)


@dataclass
class Timed:
    """An engine whose nodes' own time is known."""

    engine: Engine
    own: OwnTime

    def run(self, nodes: Nodes, taken: Taken) -> None:
        """Run it and add what it took."""
        workflow = Workflow.model_construct(nodes=nodes, extra_pnginfo={})
        gc.collect()
        self.own.seconds, started, cpu_started = 0.0, time.perf_counter(), time.thread_time()
        result = self.engine.run(workflow)
        cpu, total = time.thread_time() - cpu_started, time.perf_counter() - started
        taken.engine_ms.append(1e3 * (total - self.own.seconds))
        # What other programs on the machine do lengthens the time that passes, and the processor's less.
        taken.node_us.append(1e6 * max(0.0, cpu - self.own.seconds) / len(nodes))
        taken.ran.append(len(result.executed))


@case(
    "overhead",
    axes={"shape": tuple(SHAPES), "nodes": (10, 100, 400, 1_000, 10_000, 100_000)},
    quick={"shape": ("chain", "diamonds"), "nodes": (10,)},
    told={
        "engine": "{shape} of {nodes:,} trivial nodes, {run}: the engine's own time",
        "ratio": "{shape} of {nodes:,} nodes, {run}, over HTTP: against {against}",
    },
)
def overhead(bench: Bench, *, shape: str, nodes: int) -> Iterator[Figure]:
    """What the engine itself costs: fresh, all cached, and after one literal changed.

    With ``--against``, chains of small pictures on both servers instead, from the request to the last event.
    """
    if shape not in SHAPES:
        raise DagfusionError(f"there is no shape '{shape}'", remedy=f"one of: {', '.join(SHAPES)}")
    if shape == "pictures" and nodes > LONGEST_PICTURES:
        return
    if bench.against is not None:
        if shape == "pictures":
            yield from against(bench, nodes)
        return
    timed = bench.open("engine", _timed_engine)
    for run, taken in measure(timed, shape, nodes, bench.repeats).items():
        if taken.ran:
            more = {"run": run}
            yield Figure("engine", "ms", taken.engine_ms, more=more)
            yield Figure("processor a node", "µs", taken.node_us, more=more)
            yield Figure("nodes run", "", taken.ran, more=more)


def measure(timed: Timed, shape: str, count: int, repeats: int) -> dict[str, Taken]:
    """Each kind of run, after one round that does not count where the graph is small (imports are no overhead)."""
    samples: dict[str, Taken] = {}
    for repeat in range(-1 if count <= LONGEST_PICTURES else 0, repeats):
        if repeat <= 0:
            samples = {run: Taken() for run in RUNS}
        timed.engine.cache.clear()
        nodes = SHAPES[shape](count, 7 * repeat + 7)
        timed.run(nodes, samples["fresh"])
        timed.run(nodes, samples["cached"])
        if changed := with_one_change(nodes, 123_456_789 + repeat):
            timed.run(changed, samples["one change"])
    return samples


def against(bench: Bench, count: int) -> Iterator[Figure]:
    """A chain of pictures on both servers in turns: of a colour that is new, and the same again."""
    pair = rivals.pair(bench)
    for run in ("fresh", "cached"):
        colors = _new_colors() if run == "fresh" else itertools.repeat(0)
        prompts = (pictures(count, color) for color in colors)
        yield from rivals.compared(pair, prompts, bench.repeats, {"run": run}, bound=0.01 if count >= 400 else None)


def _new_colors() -> Iterator[int]:
    """Colours that neither server has seen, whatever ran on it before."""
    return itertools.count(random.SystemRandom().randrange(1, 2**24))


@contextmanager
def _timed_engine() -> Iterator[Timed]:
    """An engine over the trivial nodes and those of the picture chain."""
    import tempfile

    from engine.engine import Engine
    from engine.model_store import ModelStore

    own, registry, builtin = OwnTime(), Registry(), builtin_registry()
    for spec in (*trivial_registry().values(), *(builtin[n] for n in ("EmptyImage", "ImageInvert", "PreviewImage"))):
        registry.add(own.timed(spec))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        folders = Folders(input=root / "input", output=root / "output", temp=root / "temp")
        yield Timed(Engine(registry, folders, ModelStore(device="cpu"), CACHE_BYTES), own)
