"""What a case is: a function that measures one point of a grid of parameters, and what it is given to do so.

A case is declared in a module of its own, which loads nothing heavy when it is imported (torch and the like are
imported in functions, or through ``lazy_loader``), and named in ``benchmarks/registry.py``::

    @case("cold", axes={"what": ("health", "picture")}, quick={"what": ("health",)}, repeats=3)
    def cold(bench: Bench, *, what: str) -> Iterator[Figure]:
        \"\"\"From the start of a process until it is of use.\"\"\"
        yield Figure("ready", "s", measure(what, bench.repeats), bound=1.0)

The function is called once a point, that is once for each combination of the axes' values (``--set what=health``
narrows or widens an axis); where a combination makes no sense it yields nothing. Its docstring's first line is what
``dagfusion bench list`` says. What several points share (a network, files) it makes through ``Bench.once``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

Value = str | int | float
Axes = Mapping[str, tuple[Value, ...]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity that was measured at a point.

    ``samples``: every measurement, in the order in which they were taken, in ``unit`` ("s", "ms", "MiB", "1/s", "x"
    for ratios, "" for counts). ``better``: which direction is. ``subject``: what was measured, where that is not this
    project ("diffusers", "comfyui"). ``bound``: what is promised of the median: at most that, or at least, as
    ``better`` says. ``more``: parameters beside the point's axes. ``dtype`` and ``kernel``: what it was computed in and
    by, where the axes ``dtype`` and ``kernel`` do not say so.
    """

    metric: str
    unit: str
    samples: Sequence[float]
    better: Literal["lower", "higher"] = "lower"
    subject: str = "dagfusion"
    bound: float | None = None
    more: Mapping[str, Value] = field(default_factory=dict)
    dtype: str = ""
    kernel: str = ""


@dataclass
class Bench:
    """What the cases of one command have in common.

    ``repeats``: how often each quantity is measured. ``device``: of torch ("cpu", "cuda"). ``folder``: a temporary
    one, for whatever the case writes. ``against``: the URL of another server that speaks ComfyUI's protocol.
    ``models``: the models folder that it reads, which has the file names in common with ours.
    """

    repeats: int
    folder: Path
    device: str = "cpu"
    against: str | None = None
    models: Path | None = None
    _shared: dict[object, object] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What ``make`` returns, made at the first call with this key and kept until the case is done."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("T", self._shared[key])

    def open(self, key: object, make: Callable[[], AbstractContextManager[T]]) -> T:
        """Like :meth:`once`, of something that is to be closed when the case is done."""
        return self.once(key, lambda: self._open.enter_context(make()))

    def close(self) -> None:
        """Let go of all that points shared."""
        self._shared.clear()
        self._open.close()


Measure = Callable[..., Iterable[Figure]]


@dataclass(frozen=True)
class BenchCase:
    """A named case. ``axes``: its grid; ``quick``: the smallest values of some axes, for a trial run.

    ``told``: for the README, a sentence by metric, with the names of parameters in braces; metrics without one are
    left out of it.
    """

    name: str
    measure: Measure
    axes: Axes
    quick: Axes
    repeats: int
    told: Mapping[str, str]

    @property
    def summary(self) -> str:
        """What it measures, in a line."""
        return (self.measure.__doc__ or "").strip().splitlines()[0]


def case(
    name: str, *, axes: Axes, quick: Axes, repeats: int = 5, told: Mapping[str, str] | None = None
) -> Callable[[Measure], BenchCase]:
    """Declare the function below it as a case."""
    unknown = quick.keys() - axes.keys()
    if unknown:
        raise ValueError(f"case '{name}' has no axis {sorted(unknown)}")
    return lambda measure: BenchCase(name, measure, axes, quick, repeats, told or {})
