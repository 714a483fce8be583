"""Packs of folders as node classes: described once by a process of its own, and imported where they first run."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.registry import Registry
from nodes.packs.description import FORMAT, PackDescription
from nodes.packs.found import Pack, packs_in
from nodes.packs.loaded import LoadedPack
from nodes.packs.specs import spec_of

LONGEST_IMPORT_S = 300.0
_log = logging.getLogger(__name__)


def add_packs(
    registry: Registry, folders: Iterable[Path], kept: Path, *, network: bool = False
) -> list[PackDescription]:
    """Add the classes of all packs in ``folders``; a class that is there already stays.

    ``kept``: the folder where descriptions are kept between processes. Raises ``DagfusionError`` for a folder that is
    not there; a pack that cannot be imported is told in the log and left out.
    """
    described = []
    for folder in folders:
        for pack in packs_in(folder):
            description = described_pack(pack, kept, network=network)
            described.append(description)
            _add(registry, LoadedPack(pack, description.digest, network), description)
    return described


def _add(registry: Registry, pack: LoadedPack, description: PackDescription) -> None:
    name = pack.pack.name
    if description.error:
        _log.warning("the pack '%s' is left out: %s", name, description.error)
    for what in description.blocked:
        _log.warning("the pack '%s' was not let: %s", name, what)
    for one in description.classes:
        if one.name in registry:
            _log.warning("the pack '%s' has a class '%s' too; the one that was there stays", name, one.name)
            continue
        registry.add(spec_of(one, pack), f"pack {name}")


def described_pack(pack: Pack, kept: Path, *, network: bool = False) -> PackDescription:
    """The pack's description: the kept one while its code stays as it is, or one read now.

    Processes that start together read a pack once: the others wait for it.
    """
    digest = pack.digest()
    file = kept / f"{pack.module}-{digest}.json"
    known = _read(file)
    if known is not None:
        return known
    try:
        with _alone(kept, pack.module):
            known = _read(file)
            if known is None:
                known = _described_elsewhere(pack, digest, network=network)
                part = file.with_suffix(".part")
                part.write_text(known.model_dump_json(), encoding="utf-8")
                part.replace(file)
    except OSError as error:
        _log.warning("the description of pack '%s' cannot be kept: %s", pack.name, error.strerror)
    return known or _described_elsewhere(pack, digest, network=network)


@contextmanager
def _alone(kept: Path, name: str) -> Iterator[None]:
    """Hold the lock on a pack's descriptions; it ends with the process. Raises ``OSError``."""
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _described_elsewhere(pack: Pack, digest: str, *, network: bool) -> PackDescription:
    """Let another process import the pack, and read what it wrote. What the pack prints goes nowhere."""
    with tempfile.TemporaryDirectory(prefix="dagfusion-pack-") as folder:
        out = Path(folder, "pack.json")
        # Compiled files tell changes by whole seconds, and are not for a user's folder.
        apart = ["-X", f"pycache_prefix={folder}"]
        command = [sys.executable, *apart, "-m", "nodes.packs.describe", str(pack.path.resolve()), str(out)]
        command += ["--network"] if network else []
        try:
            ended = subprocess.run(  # noqa: S603 - our own program
                command, stdin=subprocess.DEVNULL, capture_output=False, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, timeout=LONGEST_IMPORT_S, check=False, cwd=folder,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return PackDescription(name=pack.name, digest=digest, error=f"its import takes over {LONGEST_IMPORT_S:g} s")
        found = _read(out)
    if found is None:
        return PackDescription(
            name=pack.name, digest=digest, error=f"it ended the process that imported it (status {ended.returncode})"
        )
    return found


def _read(file: Path) -> PackDescription | None:
    try:
        found = PackDescription.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found.format == FORMAT else None
