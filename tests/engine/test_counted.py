"""Counts in words."""

from __future__ import annotations

import pytest

from engine.counted import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 outputs"), (1, "1 output"), (2, "2 outputs"), (11, "11 outputs")])
def test_one_is_singular(count: int, said: str) -> None:
    assert counted(count, "output") == said
