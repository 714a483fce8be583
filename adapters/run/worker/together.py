"""Finds out how many jobs' steps to compute together: the number that yields the most pictures a minute here."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapters.run.worker.warm import one_step
from adapters.service.prepare.generate.choices import checkpoint_facts, chosen_checkpoint
from engine.engine import Engine
from engine.errors import DagfusionError
from engine.workflow import Workflow

TRIED = (1, 2, 4, 8)
WORTH = 1.1  # times as many pictures, or more at once only makes each one slower
BUDGET_S = 60.0
_STEPS = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """``jobs`` at once were chosen; ``pictures_per_minute`` of each number that was tried, with ``checkpoint``."""

    jobs: int
    pictures_per_minute: dict[int, float]
    checkpoint: str = ""
    side_px: int = 0

    def __str__(self) -> str:
        rates = ", ".join(f"{jobs} at once {rate:.1f}" for jobs, rate in self.pictures_per_minute.items())
        return f"{self.jobs} (pictures/min of {self.checkpoint} at {self.side_px} px: {rates})"


def choose(
    measure: Callable[[int], float],
    tried: Sequence[int] = TRIED,
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
) -> Measured:
    """The least number of jobs after which more at once bring less than a tenth more pictures a minute.

    ``measure`` gives pictures a minute for a number of jobs at once. Nothing is tried once ``budget_s`` are over.
    """
    began = clock()
    rates = {tried[0]: measure(tried[0])}
    best = tried[0]
    for jobs in tried[1:]:
        if clock() - began >= budget_s:
            break
        rates[jobs] = measure(jobs)
        if rates[jobs] < WORTH * rates[best]:
            break
        best = jobs
    return Measured(best, rates)


def measure_together(engine: Engine, warm: Sequence[str]) -> Measured | None:
    """Let so many runs share the engine's device as is best there, tried out with one checkpoint.

    It is the one that pictures are drawn with where a request names none.
    ``None`` where that cannot be tried out: the engine stays as it is. To be called before the first job.
    """
    before = engine.at_once
    try:
        checkpoint = chosen_checkpoint(engine.folders, None, warm)
        path = engine.folders.find("checkpoints", checkpoint)
        side_px = checkpoint_facts(path).side_px
        engine.share(max(TRIED))
        found = choose(_drawing(engine, checkpoint, side_px))
    except DagfusionError as error:
        _log.warning("how many jobs to compute at once was not tried out, %d as usual: %s", before, error)
        engine.share(before)
        return None
    measured = Measured(found.jobs, found.pictures_per_minute, checkpoint, side_px)
    engine.share(measured.jobs)
    _log.info("jobs computed at once: %s", measured)
    return measured


def _drawing(engine: Engine, checkpoint: str, side_px: int) -> Callable[[int], float]:
    seeds = itertools.count(1)

    def draw(seed: int) -> None:
        nodes = one_step(checkpoint, side_px=side_px, steps=_STEPS, seed=seed)
        engine.run(Workflow(nodes=nodes), ["image"])

    def measure(jobs: int) -> float:
        with ThreadPoolExecutor(jobs, thread_name_prefix="tried") as pool:
            list(pool.map(draw, [next(seeds) for _ in range(jobs)]))  # what is done once for a shape is done now
            began = time.perf_counter()
            list(pool.map(draw, [next(seeds) for _ in range(2 * jobs)]))
            return 60 * 2 * jobs / (time.perf_counter() - began)

    return measure
