"""Several runs of one engine: they share the device in turns, and what needs no device goes on beside."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.inputs import Int
from tests.engine.toys import add_node, toy_engine, workflow

PATIENCE_S = 10


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = toy_engine(tmp_path)
    engine.at_once = 3
    return engine


@pytest.mark.parametrize("aside", [True, False])
def test_a_run_computes_while_another_one_works_on_a_file(engine: Engine, aside: bool) -> None:
    writing, computed = threading.Event(), threading.Event()

    def write(ctx: Context) -> None:
        writing.set()
        ctx.show("text", computed.wait(PATIENCE_S if aside else 0.2))

    def compute(ctx: Context) -> None:
        computed.set()

    add_node(engine, write, "Write", output_node=True, aside=aside)
    add_node(engine, compute, "Compute", output_node=True)
    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(engine.run, workflow(w=("Write",)))
        assert writing.wait(PATIENCE_S)
        pool.submit(engine.run, workflow(c=("Compute",))).result(PATIENCE_S)
        assert writer.result(PATIENCE_S).outputs["w"].shown["text"] == (aside,)


def test_at_the_device_one_computes_at_a_time(engine: Engine) -> None:
    inside: list[int] = []
    most = 0

    def busy(ctx: Context, *, number: Annotated[int, Int()] = 0) -> None:
        nonlocal most
        inside.append(number)
        most = max(most, len(inside))
        threading.Event().wait(0.01)
        inside.remove(number)

    add_node(engine, busy, "Busy", output_node=True)
    with ThreadPoolExecutor(3) as pool:
        flows = [workflow(b=("Busy", {"number": number})) for number in range(6)]
        assert all(result.executed == ("b",) for result in pool.map(engine.run, flows))
    assert most == 1
