"""The receiver that docs/webhooks.md shows tells genuine messages from others."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from adapters.service.webhooks.signing import signed_headers

PAGE = Path(__file__).parents[4] / "docs" / "webhooks.md"


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a plain text"])
def test_the_receiver_of_the_documentation(secret: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    headers = signed_headers(secret, "msg_1", b"body")
    assert is_genuine(secret, headers, b"body")
    assert not is_genuine(secret, headers, b"other")
    assert not is_genuine("whsec_b3RoZXI=", headers, b"body")
    assert not is_genuine(secret, {**headers, "webhook-id": "msg_2"}, b"body")
    assert not is_genuine(secret, signed_headers(secret, "msg_1", b"body", now=time.time() - 301), b"body")
