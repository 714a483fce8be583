"""The pages about the API need nothing from anywhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.adapters.doors.http.serving import serving


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_all_that_a_page_loads_comes_from_this_server(tmp_path: Path, path: str) -> None:
    with serving(tmp_path) as web, web.client() as client:
        page = client.get(path)
        assert page.status_code == 200 and "dagfusion" in page.text
        assert not re.findall(r"https?://", page.text)
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert any(address.endswith(".js") for address in loaded)
        assert {client.get(address).status_code for address in loaded} == {200}
        assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
