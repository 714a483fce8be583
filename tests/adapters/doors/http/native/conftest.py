"""What tests of the native API share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.doors.http.native.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
