"""What the engine itself costs: chains, wide graphs and diamonds of trivial nodes, fresh, cached, and after one change.

``python -m benchmarks.overhead [--json FILE] [--largest N] [--repeats N]`` prints a table (engine times are
without what the nodes' functions took) and, into FILE or after the table, one JSON line a row.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.table import Table

from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders
from engine.inputs import Int
from engine.model_store import ModelStore
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

SIZES = (10, 100, 400, 1_000, 10_000, 100_000)
CACHE_BYTES = 8 * 2**30
Whole = Annotated[int, Int()]
Nodes = dict[str, NodeDocument]


@dataclass(frozen=True)
class Row:
    """One measured case: the quickest of the repeats. ``own`` is what the nodes' functions took of ``total``.

    ``cpu`` is the processor's time for all of it, which other programs on the machine do not lengthen.
    """

    shape: str
    nodes: int
    case: str
    ran: int
    total_ms: float
    own_ms: float
    cpu_ms: float

    @property
    def engine_ms(self) -> float:
        """What the engine took."""
        return self.total_ms - self.own_ms

    @property
    def us_per_node(self) -> float:
        """The engine's microseconds of processor time for each node of the workflow."""
        return 1000 * max(0.0, self.cpu_ms - self.own_ms) / self.nodes


def add(ctx: Context, *, a: Whole, b: Whole) -> int:
    """Their sum, in the low 32 bits."""
    return (a + b) & 0xFFFFFFFF


def show(ctx: Context, *, value: Whole) -> None:
    """Show the number."""
    ctx.show("text", str(value))


def number(ctx: Context, *, value: Whole) -> int:
    """The number."""
    return value


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


def chain(count: int, start: int) -> Nodes:
    """Each node reads the one before it."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": [str(i - 1), 0], "b": i})
    return _with_output(nodes, count - 2)


def wide(count: int, start: int) -> Nodes:
    """All nodes but the last read the first; the last one shows the last of them, and every 100th is shown too."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        if i % 2:
            nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": ["0", 0], "b": i})
        else:
            nodes[str(i)] = NodeDocument(class_type="Show", inputs={"value": [str(i - 1), 0]})
    return _with_output(nodes, 0)


def diamonds(count: int, start: int) -> Nodes:
    """Diamonds one after the other: one node, two that read it, one that reads both."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, count - 1):
        top = 3 * ((i - 1) // 3)
        a, b = (top + 1, top + 2) if i % 3 == 0 else (top, top)
        inputs = {"a": [str(a), 0], "b": [str(b), 0] if i % 3 == 0 else i}
        nodes[str(i)] = NodeDocument(class_type="Add", inputs=inputs)
    return _with_output(nodes, count - 2)


def pictures(count: int, start: int) -> Nodes:
    """EmptyImage, ImageInvert ..., PreviewImage, 16 x 16 pixels."""
    size = {"width": 16, "height": 16, "batch_size": 1, "color": start % 0xFFFFFF}
    nodes = {"0": NodeDocument(class_type="EmptyImage", inputs=size)}
    for i in range(1, count - 1):
        nodes[str(i)] = NodeDocument(class_type="ImageInvert", inputs={"image": [str(i - 1), 0]})
    nodes[str(count - 1)] = NodeDocument(class_type="PreviewImage", inputs={"images": [str(count - 2), 0]})
    return nodes


SHAPES: dict[str, Callable[[int, int], Nodes]] = {
    "chain": chain,
    "wide": wide,
    "diamonds": diamonds,
    "pictures": pictures,
}


def _with_output(nodes: Nodes, shown: int) -> Nodes:
    nodes[str(len(nodes))] = NodeDocument(class_type="Show", inputs={"value": [str(shown), 0]})
    return nodes


@contextmanager
def timed_engine(own: OwnTime) -> Iterator[Engine]:
    """An engine over the trivial nodes and those of the picture chain."""
    registry, builtin = Registry(), builtin_registry()
    for function in (add, show, number):
        spec = NodeSpec(function.__name__.title(), function, "benchmark", output_node=function is show)
        registry.add(own.timed(spec))
    for name in ("EmptyImage", "ImageInvert", "PreviewImage"):
        registry.add(own.timed(builtin[name]))
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders({}, *(Path(folder, name) for name in ("input", "output", "temp")))
        yield Engine(registry, folders, ModelStore(device="cpu"), CACHE_BYTES)


def measure(engine: Engine, own: OwnTime, shape: str, count: int, repeats: int) -> list[Row]:
    """Fresh, cached, and with the literal of the middle node changed (of the first, where that one has none)."""
    samples: dict[str, list[tuple[int, float, float, float]]] = {"fresh": [], "cached": [], "one change": []}

    def run(case: str, nodes: Nodes) -> None:
        workflow = Workflow.model_construct(nodes=nodes, extra_pnginfo={})
        gc.collect()
        own.seconds, started, cpu_started = 0.0, time.perf_counter(), time.thread_time()
        result = engine.run(workflow)
        cpu, total = time.thread_time() - cpu_started, time.perf_counter() - started
        samples[case].append((len(result.executed), total, own.seconds, cpu))

    for repeat in range(repeats):
        engine.cache.clear()
        nodes = SHAPES[shape](count, 7 * repeat)
        run("fresh", nodes)
        run("cached", nodes)
        middle = str(count // 2)
        if "b" not in nodes[middle].inputs or isinstance(nodes[middle].inputs["b"], list):
            middle = str(count // 2 + 1)
        if isinstance(nodes[middle].inputs.get("b"), int):
            changed = NodeDocument(class_type="Add", inputs={**nodes[middle].inputs, "b": 123_456_789 + repeat})
            run("one change", {**nodes, middle: changed})
    rows = []
    for case, taken in samples.items():
        if taken:
            # Whatever else the machine does can only add to the time.
            ran, total, spent, cpu = min(taken, key=lambda sample: sample[1] - sample[2])
            rows.append(Row(shape, count, case, ran, 1000 * total, 1000 * spent, 1000 * cpu))
    return rows


def main() -> None:
    """Measure every shape at every size up to ``--largest``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="write the JSON lines there")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="most nodes in a workflow")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    own = OwnTime()
    table = Table(box=None)
    for name in ("Shape", "Nodes", "Case", "Ran", "Total ms", "Own ms", "Engine ms", "CPU ms", "µs/node"):
        table.add_column(name, justify="left" if name in ("Shape", "Case") else "right", no_wrap=True)
    lines = []
    with timed_engine(own) as engine:
        engine.run(Workflow(nodes=pictures(10, 0)))  # Imports are no overhead.
        engine.run(Workflow(nodes=chain(10, 0)))
        for shape in SHAPES:
            for count in SIZES:
                if count > options.largest or (shape == "pictures" and count > 1_000):
                    continue
                for row in measure(engine, own, shape, count, options.repeats):
                    times = (row.total_ms, row.own_ms, row.engine_ms, row.cpu_ms, row.us_per_node)
                    table.add_row(shape, f"{count:,}", row.case, f"{row.ran:,}", *(f"{t:,.1f}" for t in times))
                    figures = {**asdict(row), "engine_ms": row.engine_ms, "us_per_node": row.us_per_node}
                    lines.append(
                        json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()})
                    )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json:
        options.json.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
