"""A real service with tiny models, one for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.adapters.services import Service, running, until


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Service]:
    """``dagfusion serve`` on a free loopback port, answering and with its worker ready. Shared: leave it running."""
    with running(tmp_path_factory.mktemp("service"), models=str(models_dir), allowed_hosts="127.0.0.1") as service:
        until(lambda: _answers(service.url))
        yield service


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """Requests to the service."""
    with httpx.Client(base_url=service.url, timeout=90) as client:
        yield client


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False
