"""Puts what output nodes made into a run's folders, under the run's own names and with the request's own texts."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from engine.encoded import EncodedFile, digest_of
from engine.errors import InputInvalid
from engine.folders import Folders
from engine.journal import Journal
from engine.output_names import OutputPlace, expand_prefix, next_number, place_in, rename_to_new
from engine.request import Request
from engine.types import SavedFile

_MAX_REMEMBERED = 10_000
_WRITABLE = "see that the folder may be written, that its disk has room, and that the prefix is not too long"

# The folder and place, which encoding it is, and the texts in it.
_Key = tuple[Path, OutputPlace, Path, str]


class Stored(Protocol):
    """A file's contents in a store. ``digest``: SHA-256 as hexadecimal digits."""

    @property
    def digest(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


class FileStore(Protocol):
    """Keeps every output's bytes by their digest, whatever becomes of the named file."""

    def put_file(self, path: Path) -> Stored:
        """Keep a copy of the file. Raises ``OSError`` where that cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class _Hashed:
    digest: str
    size_bytes: int


class NoStore:
    """Keeps nothing: the named files are all there is, as on the command line."""

    def put_file(self, path: Path) -> _Hashed:
        """What the file holds."""
        return _Hashed(digest_of(path), path.stat().st_size)


class PublishedFiles:
    """Which files runs have put into the folders, and what is in them. Bounded, thread-safe.

    So the same file is not written again in each run. Whether the file is still there and the same is looked at
    before it is given out.
    """

    def __init__(self, store: FileStore | None = None) -> None:
        self.store = store or NoStore()
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, SavedFile] = OrderedDict()

    def find(self, key: _Key, folders: Folders) -> SavedFile | None:
        """The file, if it has not changed since; its contents are then put into the store again."""
        with self._lock:
            saved = self._known.get(key)
            if saved is None:
                return None
            self._known.move_to_end(key)
        try:
            stored = self.store.put_file(folders.path_of(saved))
        except OSError:
            return None  # Gone, or no file any more.
        return saved if stored.digest == saved.digest else None

    def remember(self, key: _Key, saved: SavedFile) -> None:
        """That it was put there."""
        with self._lock:
            self._known[key] = saved
            self._known.move_to_end(key)
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)


class Publication:
    """The files that one run gives its client. An encoded file is put into the folders once, however often it is shown.

    ``journal``: if an earlier attempt at the job died, files of its that equal ours are taken over instead of being
    written twice; the others are removed when this attempt is done.
    """

    def __init__(
        self, published: PublishedFiles, folders: Folders, request: Request, *, journal: Journal | None = None
    ) -> None:
        self._published, self._folders, self._request, self._journal = published, folders, request, journal
        self._names: set[Path] = set()  # that are this run's
        self._saved: dict[int, tuple[EncodedFile, SavedFile]] = {}
        self._next: dict[tuple[Path, OutputPlace], int] = {}

    def of(self, shown: Mapping[str, tuple[Any, ...]]) -> Mapping[str, tuple[Any, ...]]:
        """What a node showed, with named files in place of encoded ones. Raises ``InputInvalid`` for bad names."""
        named = {
            kind: tuple(self._file(item) if isinstance(item, EncodedFile) else item for item in items)
            for kind, items in shown.items()
        }
        return MappingProxyType(named)

    def _file(self, made: EncodedFile) -> SavedFile:
        known = self._saved.get(id(made))
        if known is None:
            known = self._saved[id(made)] = (made, self._publish(made))
        return known[1]

    def _publish(self, made: EncodedFile) -> SavedFile:
        root: Path = getattr(self._folders, made.series.folder)
        place = self._place(made, root)
        texts = self._request.texts if made.embed is not None else {}
        # The names of temp files mean nothing.
        kept_place = OutputPlace("", "") if made.series.folder == "temp" else place
        key = (root, kept_place, made.path, self._request.digest if texts else "")
        saved = self._published.find(key, self._folders)
        if saved is None:
            saved = self._write(made, root, place, texts)
            self._published.remember(key, saved)
        elif self._journal is not None and saved.folder == "output":
            self._journal.uses(self._folders.path_of(saved))
        return saved

    def _place(self, made: EncodedFile, root: Path) -> OutputPlace:
        series = made.series
        if series.folder == "temp":
            return OutputPlace("", f"ComfyUI_temp_{self._request.token}")
        prompt = self._request.prompt if series.prefix.count("%") > 1 else {}
        text = expand_prefix(series.prefix, width_px=series.width_px, height_px=series.height_px, prompt=prompt)
        return place_in(root, series.prefix, text)

    def _write(self, made: EncodedFile, root: Path, place: OutputPlace, texts: Mapping[str, str]) -> SavedFile:
        """Write the file. It appears under its name as a whole or not at all, after its contents are in the store."""
        directory = root / place.subfolder
        part = directory / f".{secrets.token_hex(8)}{made.suffix}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if made.embed is not None and texts:
                made.embed(made.path, part, texts)
            else:
                shutil.copyfile(made.path, part)
            stored = self._published.store.put_file(part)
            name = self._left(made, stored, directory, place) or self._name(made, part, directory, place, stored)
            self._names.add(directory / name)
        except OSError as error:
            stem = f"{place.subfolder}/{place.stem}" if place.subfolder else place.stem
            raise InputInvalid(
                f"'{stem}{made.suffix}' cannot be written to the {made.series.folder} folder: "
                f"{error.strerror or type(error).__name__}",
                input="filename_prefix",
                remedy=_WRITABLE,
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return SavedFile(name, place.subfolder, made.series.folder, made.media_type, stored.digest, stored.size_bytes)

    def _left(self, made: EncodedFile, stored: Stored, directory: Path, place: OutputPlace) -> str | None:
        """The name under which an earlier attempt left the same file."""
        if self._journal is None or not self._journal.again:
            return None
        start = f"{place.stem_of(made.number)}_"
        with os.scandir(directory) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(start) and entry.name.endswith(f"_{made.suffix}") and entry.is_file()
            )
        for path in (directory / name for name in names):
            same_size = path not in self._names and path.stat().st_size == stored.size_bytes
            if same_size and digest_of(path) == stored.digest:
                self._journal.uses(path)
                return path.name
        return None

    def _name(self, made: EncodedFile, part: Path, directory: Path, place: OutputPlace, stored: Stored) -> str:
        series = (directory, place)
        number = self._next.get(series) or next_number(directory, place.stem)
        while True:
            name = f"{place.stem_of(made.number)}_{number:05}_{made.suffix}"
            number += 1
            self._next[series] = number
            if self._journal is not None and made.series.folder == "output":
                self._journal.put(directory / name, stored.digest)
            try:
                rename_to_new(part, directory / name)
            except FileExistsError:
                continue  # Another run took the number in the meantime.
            return name
