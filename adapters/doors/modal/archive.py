"""Keeps the API container's SQLite database in a volume: the database itself is on the container's own disk.

A volume is no place for an open database: it cannot be reloaded while files are open, and commits files one by one.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.host.private_folder import make_private

_log = logging.getLogger(__name__)
# What changes with everything that is worth a copy. Workers' heartbeats, leases and previews are not.
_STATE = """
SELECT (SELECT value FROM counters WHERE name = 'position'),
       (SELECT count(*) FROM jobs), (SELECT count(*) FROM jobs WHERE hidden),
       (SELECT count(*) FROM api_keys), (SELECT count(revoked_at) FROM api_keys),
       (SELECT total(attempts) FROM deliveries), (SELECT count(*) FROM deliveries WHERE state = 'delivered')
"""
_NAME = re.compile(r"queue-(\d{6})\.sqlite")


class Archive:
    """``data``: the folder of the database and the signing secret. ``folder``: where copies are, in the volume.

    Each container writes a copy of its own number, so that one that ends never overwrites what its successor wrote.
    """

    def __init__(self, data: Path, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._number = 1
        self._seen: tuple[object, ...] | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self._data / "queue.sqlite"

    def restore(self) -> bool:
        """Take over from the last container, before the database is opened; false where there was none."""
        make_private(self._data)
        self._folder.mkdir(parents=True, exist_ok=True)
        copies = numbered(self._folder)
        self._number = copies[-1][0] + 1 if copies else 1
        if (secret := self._folder / "secret").is_file():
            shutil.copyfile(secret, self._data / "secret")
            (self._data / "secret").chmod(0o600)
        for number, copy in reversed(copies):
            if _is_sound(copy):
                shutil.copyfile(copy, self.database)
                _log.info("took over the queue of container %d", number)
                return True
            _log.warning("the copy %s is damaged; taking the one before", copy.name)
        return False

    def save(self) -> bool:
        """Write a copy, whole, if anything has changed since the last one. Raises ``OSError``, ``sqlite3.Error``."""
        if self._connection is None:
            self._connection = sqlite3.connect(self.database, check_same_thread=False)
        state = tuple(self._connection.execute(_STATE).fetchone())
        if state == self._seen:
            return False
        local = self._data / "copy.sqlite"
        local.unlink(missing_ok=True)
        with closing(sqlite3.connect(local)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        _put(local, self._folder / f"queue-{self._number:06}.sqlite")
        if (self._data / "secret").is_file() and not (self._folder / "secret").is_file():
            _put(self._data / "secret", self._folder / "secret")
        for number, old in numbered(self._folder):
            if number < self._number - 1:
                old.unlink(missing_ok=True)
        self._seen = state
        return True


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """All copies in the volume, the newest last."""
    found = [(int(match[1]), path) for path in folder.glob("*.sqlite") if (match := _NAME.fullmatch(path.name))]
    return sorted(found)


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            return bool(connection.execute("PRAGMA quick_check").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False


def _put(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    os.replace(part, target)
