"""The service's signing secret: the setting, or one that is made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from adapters.host.private_folder import make_private
from adapters.host.settings import Settings
from engine.errors import DagfusionError

_BYTES = 32


def load_secret(settings: Settings) -> bytes:
    """The secret. Processes that start at the same time get the same one. Raises ``DagfusionError``."""
    given = settings.secret.get_secret_value()
    if given:
        return given.encode()
    path = settings.data / "secret"
    try:
        make_private(settings.data)
        if not path.exists():
            _create(path)
        found = path.read_bytes()
    except OSError as error:
        raise DagfusionError(
            f"the signing secret '{path}' cannot be read or made: {error.strerror}",
            remedy="make the folder writable, name another one with DAGFUSION_DATA, or set DAGFUSION_SECRET",
        ) from error
    if len(found) < _BYTES:
        raise DagfusionError(f"the signing secret '{path}' is too short", remedy="delete it; a new one will be made")
    return found


def _create(path: Path) -> None:
    """Write a new secret, which appears whole; where another process was first, its secret stays."""
    part = path.with_name(f".{secrets.token_hex(8)}")
    with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
