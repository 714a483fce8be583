"""The shipped files on an engine of their own, for all tests of what they draw."""

from collections.abc import Iterator

import pytest

from models.tiny.drawing import Desk


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    with Desk() as opened:
        yield opened
