"""Which kernel computes an attention: torch's, or SageAttention's where it is wanted, or was tried out and pays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from engine.computing import Attention
from engine.errors import DagfusionError
from nodes.diffusion.kernels import sage as sages
from nodes.diffusion.kernels import sdpa
from nodes.diffusion.kernels.probe import Case, ProbeResult, judge
from nodes.diffusion.kernels.sage import Sage

LEAST_TOKENS = 256  # with fewer, starting a kernel takes longer than anything that it could gain
_log = logging.getLogger(__name__)

# (queries, keys, values), each [batch, heads, tokens, head width], without a mask. Keys may be written to.
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]


@cache
def mix_for(device: torch.device, attention: Attention) -> Mix:
    """The attention kernel for networks on ``device``. Where a GPU is missing, ``auto`` imports nothing.

    Raises ``DagfusionError`` where ``sage`` is asked for and cannot be.
    """
    if attention == "sdpa" or (attention == "auto" and device.type != "cuda"):
        return sdpa.mix
    if attention == "sage":
        return _forced(device)
    try:
        return Probed(sages.installed())
    except DagfusionError as error:
        _log.info("attention by torch: %s", error.message)
        return sdpa.mix


def _forced(device: torch.device) -> Forced:
    if device.type != "cuda":
        raise DagfusionError(
            f"SageAttention needs an NVIDIA GPU, and networks run on '{device}'",
            remedy="take --attention auto, or a CUDA device",
        )
    sage = sages.installed()
    small = judge(sage, Case(device, torch.float16, sage.widths[0], LEAST_TOKENS))
    if small.failure:
        raise DagfusionError(f"{sage.label} does not run on '{device}': {small}", remedy=sages.REMEDY)
    return Forced(sage)


class Forced:
    """SageAttention wherever it computes the right thing, torch's attention elsewhere."""

    def __init__(self, sage: Sage) -> None:
        self.sage = sage

    def __call__(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """See ``Mix``."""
        return (self.sage if self.sage.takes(queries, keys) else sdpa.mix)(queries, keys, values)


class Probed:
    """SageAttention where it was tried out, is near enough and gains something; each case is tried once.

    ``judge`` tries. The first case that stays with torch is logged, with the reason.
    """

    def __init__(self, sage: Sage, judge: Callable[[Sage, Case], ProbeResult] = judge) -> None:
        self.sage = sage
        self._judge = judge
        self._verdicts: dict[Case, ProbeResult] = {}
        self._told = False

    def __call__(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """See ``Mix``."""
        return (self.sage if self._pays(queries, keys) else sdpa.mix)(queries, keys, values)

    def _pays(self, queries: Tensor, keys: Tensor) -> bool:
        if queries.dtype == torch.float32 or not self.sage.takes(queries, keys):
            return False  # who computes in float32 wants it exact
        case = Case.of(queries, keys)
        return case.tokens >= LEAST_TOKENS and self.verdict(case).good

    def verdict(self, case: Case) -> ProbeResult:
        """How the kernel does in this case."""
        if case not in self._verdicts:
            verdict = self._verdicts[case] = self._judge(self.sage, case)
            if not verdict.good and not self._told:
                self._told = True
                _log.warning("%s is left out, for %s for one: %s", self.sage.label, case, verdict)
        return self._verdicts[case]
