"""Where a key's own files are, and which names stay inside."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adapters.doors.http.auth import Caller
from adapters.doors.http.comfy.wire_files import is_plain
from adapters.doors.http.services import Services
from adapters.host.private_folder import make_private
from adapters.service.errors import RequestInvalid
from adapters.service.new_files import not_written


def user_folder(now: Services, caller: Caller) -> Path:
    """The caller's folder, made if needed. Where no keys are in use, there is one for everybody."""
    name = hashlib.sha256(caller.owner.encode()).hexdigest()[:32] if caller.owner else "default"
    folder = now.settings.data.absolute() / "user" / name
    try:
        make_private(folder)
    except OSError as error:
        raise not_written("your folder cannot be made", error) from error
    return folder


def checked(root: Path, name: str) -> Path:
    """``root / name``. Raises ``RequestInvalid`` where that leaves ``root``, by name or through a link."""
    path = root / name.replace("\\", "/").rstrip("/")
    try:
        inside = is_plain(name) and path.resolve().is_relative_to(root.resolve())
    except OSError:
        inside = False
    if not inside:
        raise RequestInvalid("the name leads out of your folder, or is none", remedy="use a plain relative name")
    return path


def listing(root: Path, *, recurse: bool) -> list[str]:
    """Files in ``root`` as sorted relative names."""
    found = root.rglob("*") if recurse else root.glob("*")
    files = (path for path in found if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(root).as_posix() for path in files)
