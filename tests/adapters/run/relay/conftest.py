"""A real queue, and relays over it that are closed at the end of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.run.relay.far import FarRun, Patience
from adapters.run.relay.relay import Relay
from adapters.service.store import Store

OpenRelay = Callable[..., Relay]
PATIENT = Patience(start_s=60.0, silence_s=60.0, stop_s=60.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def relay(store: Store) -> Iterator[OpenRelay]:
    """Start a relay to a far side."""
    opened: list[Relay] = []

    def start(run: FarRun, **more: Any) -> Relay:
        opened.append(Relay(store, run, **({"name": "relay", "slots": 2, "patience": PATIENT} | more)))
        opened[-1].start()
        return opened[-1]

    yield start
    for one in opened:
        one.close()
    for one in opened:
        one.close()
