"""Steps left out where the network's output changes little: EasyCache (Zhou et al. 2025, arXiv:2507.02860) and kin.

How much the output changes from step to step follows how much the input does, at a rate that changes slowly. While the
changes so estimated add up to less than a threshold, the output is taken to differ from the input as it did before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nodes.diffusion.parameterization import Parameterization
from nodes.hooks import Call, GuidancePatches, Hooks, NetworkPatches

log = logging.getLogger(__name__)

SAMPLED = 8  # every so many rows and columns are looked at


@dataclass(frozen=True, slots=True)
class Window:
    """The levels between which steps may be left out, and the sum of relative changes up to which they are."""

    threshold: float
    first_sigma: float
    last_sigma: float
    verbose: bool = False

    @classmethod
    def of(cls, levels: Parameterization, threshold: float, start: float, end: float, verbose: bool) -> Window:
        """From shares of progress, 0..1."""
        return cls(threshold, levels.percent_to_sigma(start), levels.percent_to_sigma(end), verbose)


@dataclass(eq=False)
class ChangeEstimate:
    """Estimates how far outputs have gone since the last one that was computed."""

    name: str
    window: Window
    _input: Tensor | None = None
    _output: Tensor | None = None
    _size: Tensor = field(default_factory=lambda: torch.ones(()))
    _rate: Tensor | None = None
    _sum: float = 0.0

    def may_skip(self, given: Tensor) -> bool:
        """Whether what a network makes of ``given``, [rows, channels, *grid], has changed little enough so far."""
        change = self._change(given, self._input)
        if change is None or self._rate is None:
            return False
        self._sum += float(self._rate * change / self._size)
        skips = self._sum < self.window.threshold
        if self.window.verbose:
            verdict = "left out" if skips else "run"
            log.info("%s: change %.4f of %.4f, %s", self.name, self._sum, self.window.threshold, verdict)
        if not skips:
            self._sum = 0.0
        return skips

    def learn(self, given: Tensor, made: Tensor, may_compare: bool) -> None:
        """Take note of a step that was computed; ``may_compare``: the input's change is known, so that the rate is."""
        moved, change = self._change(made, self._output), self._change(given, self._input)
        if moved is not None and change is not None and may_compare:
            self._rate = moved / change
        self._input, self._output, self._size = _sampled(given).clone(), _sampled(made).clone(), made.abs().mean()

    def _change(self, now: Tensor, before: Tensor | None) -> Tensor | None:
        seen = _sampled(now)
        return None if before is None or before.shape != seen.shape else (seen - before).abs().mean()


def easy_cache(window: Window) -> Hooks:
    """Steps of the network left out, for all prompts as the first one of them decides."""
    return Hooks(network=NetworkPatches(around_network=(EasyCache(window),)))


def lazy_cache(window: Window) -> Hooks:
    """Steps left out as a whole, with their guidance."""
    return Hooks(guidance=GuidancePatches(around=(LazyCache(window),)))


class EasyCache:
    """A :class:`nodes.hooks.NetworkWrapper` for one sampling call."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._changes = ChangeEstimate("EasyCache", window)
        self._leaps: dict[Hashable, Tensor] = {}
        self._first: Hashable = None
        self._seen: set[Hashable] = set()
        self._skips = False

    def __call__(self, run: Callable[[Tensor], Tensor], x: Tensor, call: Call) -> Tensor:
        """What ``run`` makes of ``x``, or what it is taken to make."""
        if call.sigma <= self._window.last_sigma:
            return run(x)
        self._begin(call)
        in_window = call.sigma <= self._window.first_sigma
        if in_window and self._first is None:
            self._first = call.prompts[0]
        own = self._rows_of_first(x, call)
        known = all(prompt in self._leaps for prompt in call.prompts)
        if in_window and own is not None and self._changes.may_skip(own) and known:
            self._skips = True
        if in_window and known and self._skips:
            return x + torch.cat([self._leaps[prompt] for prompt in call.prompts]).to(x)
        made = run(x)
        leaps = (made.to(x) - x[:, : made.shape[1]]).chunk(len(call.prompts))
        self._leaps |= dict(zip(call.prompts, leaps, strict=True))
        if own is not None:
            rows = self._rows_of_first(made, call)
            assert rows is not None
            self._changes.learn(own, rows, may_compare=in_window)
        return made

    def _begin(self, call: Call) -> None:
        """A prompt that comes again is of a new step."""
        if self._seen & set(call.prompts):
            self._seen, self._skips = set(), False
        self._seen |= set(call.prompts)

    def _rows_of_first(self, tensor: Tensor, call: Call) -> Tensor | None:
        if self._first is None or self._first not in call.prompts:
            return None
        return tensor.chunk(len(call.prompts))[call.prompts.index(self._first)]


class LazyCache:
    """A :class:`nodes.hooks.GuidanceWrapper` for one sampling call."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._changes = ChangeEstimate("LazyCache", window)
        self._leap: Tensor | None = None
        self._uncond: Tensor | None = None

    def __call__(
        self, run: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, sigma: float
    ) -> tuple[Tensor, Tensor]:
        """The guided and the negative prediction for ``x``, computed or taken to be."""
        if sigma <= self._window.last_sigma:
            return run(x)
        in_window = sigma <= self._window.first_sigma
        if in_window and self._changes.may_skip(x) and self._leap is not None and self._uncond is not None:
            return x + self._leap, self._uncond
        made, self._uncond = run(x)
        self._leap = made - x
        self._changes.learn(x, made, may_compare=in_window)
        return made, self._uncond


def _sampled(tensor: Tensor) -> Tensor:
    return tensor[..., ::SAMPLED, ::SAMPLED]
