"""A device that computes no more is noticed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import torch

from adapters.run.direct.health import broken
from adapters.run.direct.runner import DirectRunner
from engine.engine import Engine


def test_a_device_that_computes_is_well(runner: DirectRunner) -> None:
    assert broken(runner.engine) is None


def test_a_device_that_gives_no_values_is_broken() -> None:
    """The meta device has no memory: reading from it fails, as it does after an error on a GPU."""
    engine = cast(Engine, SimpleNamespace(models=SimpleNamespace(device=torch.device("meta"))))
    assert (broken(engine) or "").startswith("the device meta fails: ")
