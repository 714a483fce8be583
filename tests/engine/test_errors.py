"""What is told of other programs' errors."""

from __future__ import annotations

import pytest

from engine.errors import first_line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("the width is odd"), "the width is odd"),
        (ValueError("\n  CUDA error: out of luck\nCompile with ...\n"), "CUDA error: out of luck"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError(" \n"), "RuntimeError"),
    ],
)
def test_an_error_is_told_in_a_line(error: Exception, told: str) -> None:
    assert first_line(error) == told
