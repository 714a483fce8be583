"""The blob store: contents by their SHA-256, in a local folder or at any fsspec URL (S3 and the like)."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from adapters.host.private_folder import make_private
from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.failures import missing, reachable
from adapters.service.blobs.writer import Blob, BlobWriter

CHUNK_BYTES = 2**20
# Putting a blob again makes it young, so that whoever has just found it unused spares it. In a folder it is touched
# within this time of its last writing, and written anew later; elsewhere, where nothing can be touched, always.
FRESH_S = 1800.0
MIN_SWEEP_AGE_S = 2 * FRESH_S
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Storage where an object appears when its last byte has arrived; elsewhere it is uploaded aside, then renamed.
_WHOLE_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "memory"})
_S3 = frozenset({"s3", "s3a"})


class BlobStore:
    """Blobs by digest, at ``<url>/<first two digits>/<digest>``. Safe for threads and for several processes.

    ``url``: a folder, or any URL that fsspec knows (``s3://bucket/prefix``), whose credentials come the way its own
    library takes them, or by ``options``. All methods block; remote ones for as long as the network takes.
    """

    def __init__(self, url: str | Path, *, spool: Path | None = None, **options: Any) -> None:
        try:
            self._fs, root = fsspec.url_to_fs(str(url), use_listings_cache=False, **options)
        except (ImportError, ValueError) as error:
            raise BlobStoreUnavailable(f"blobs cannot be kept at '{url}': {error}") from error
        self._root = root.rstrip("/")
        protocols = self._fs.protocol
        self._protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        self.is_local = "file" in self._protocols
        # In a local store the spool is next to the blobs, so that a rename publishes.
        self._spool = (
            Path(self._root, "tmp") if self.is_local else spool or Path(tempfile.gettempdir(), "dagfusion-blobs")
        )
        try:
            make_private(self._spool)
        except OSError as error:
            raise BlobStoreUnavailable(f"blobs cannot be kept in '{url}': {error.strerror}") from error

    @property
    def folder(self) -> Path | None:
        """Where the blobs are; ``None`` in a remote store."""
        return Path(self._root) if self.is_local else None

    def writer(self) -> BlobWriter:
        """To write a blob in pieces and look at it before it is committed. Use it as a context."""
        with reachable():
            if self.folder is not None and not self.folder.is_dir():
                raise BlobStoreUnavailable("the folder of the blobs was removed")
            make_private(self._spool)
            return BlobWriter(self._spool, self._publish)

    def put_stream(self, chunks: Iterable[bytes]) -> Blob:
        """Store what the chunks make up together; nothing where the iterator raises."""
        with self.writer() as writer:
            for chunk in chunks:
                writer.write(chunk)
            return writer.commit()

    def put_bytes(self, data: bytes) -> Blob:
        """Store bytes."""
        return self.put_stream([data])

    def put_file(self, path: Path) -> Blob:
        """Store a copy of a file. Raises ``OSError`` where it cannot be read."""
        with open(path, "rb") as file:
            return self.put_stream(_chunks(file))

    def open(self, digest: str) -> BinaryIO:
        """The blob as a file that can be read and sought in. Raises ``BlobMissing``."""
        with reachable(digest):
            return cast(BinaryIO, self._fs.open(self._path(digest), "rb"))

    def chunks(self, digest: str) -> Iterator[bytes]:
        """The blob's contents, 1 MiB at a time. Raises ``BlobMissing``."""
        with self.open(digest) as file:
            yield from _chunks(file)

    def size(self, digest: str) -> int:
        """Bytes. Raises ``BlobMissing``."""
        with reachable(digest):
            return int(self._fs.size(self._path(digest)))

    def exists(self, digest: str) -> bool:
        """Whether there is such a blob."""
        try:
            self.size(digest)
        except BlobMissing:
            return False
        return True

    def delete(self, digest: str) -> bool:
        """Remove the blob; whether there was one."""
        try:
            with reachable(digest):
                self._fs.rm_file(self._path(digest))
        except BlobMissing:
            return False
        return True

    def discard(self, digest: str, put_until: float) -> bool:
        """Remove the blob unless it was put after ``put_until`` (Unix seconds); whether it is gone."""
        path = self._path(digest)
        try:
            with reachable(digest):
                if self._written_at(path) > put_until:
                    return False
                if self.is_local:
                    return self._withdraw(Path(path), put_until)
                self._fs.rm_file(path)
        except BlobMissing:
            pass  # Another process was first.
        return True

    def local_path(self, digest: str) -> Path | None:
        """Where the blob's file is, which nobody may write to; ``None`` in a remote store. Raises ``BlobMissing``."""
        if not self.is_local:
            return None
        path = Path(self._path(digest))
        if not path.is_file():
            raise missing(digest)
        return path

    def signed_url(self, digest: str, name: str, media_type: str, lifetime_s: int) -> str | None:
        """A link that the storage itself answers; ``None`` where it cannot sign, so that the service's own must serve.

        Whether there is such a blob is not looked at.
        """
        answer = {
            "ResponseContentDisposition": f'attachment; filename="{_ascii(name)}"',
            "ResponseContentType": media_type,
        }
        try:
            with reachable(digest):
                return str(
                    self._fs.sign(
                        self._path(digest), expiration=lifetime_s, **(answer if self._protocols & _S3 else {})
                    )
                )
        except NotImplementedError:  # a folder signs nothing: the service hands the bytes out itself
            return None

    def sweep(self, in_use: Container[str], older_than_s: float = 24 * 3600.0) -> list[Blob]:
        """Remove blobs that are not ``in_use`` and older than that, and what crashed writers left; the removed blobs.

        ``older_than_s`` is at least an hour: a blob is stored before the job that names it.
        """
        born_before = time.time() - max(older_than_s, MIN_SWEEP_AGE_S)
        removed = []
        with reachable():
            listed = self._fs.find(self._root, detail=True) if self._fs.exists(self._root) else {}
            for path, info in listed.items():
                digest = path.rpartition("/")[2]
                if not _DIGEST.fullmatch(digest) or digest in in_use:
                    continue
                with contextlib.suppress(FileNotFoundError):  # Another process sweeps too.
                    if self._written_at(path) < born_before:
                        self._fs.rm_file(path)
                        removed.append(Blob(digest, int(info["size"])))
        for part in self._spool.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < born_before:
                    part.unlink()
        return removed

    def _withdraw(self, path: Path, put_until: float) -> bool:
        """A blob is out of the way when its age is looked at for good: who puts it from then on writes it anew."""
        aside = self._spool / f"{path.name}.{secrets.token_hex(8)}.part"
        os.rename(path, aside)
        try:
            if aside.stat().st_mtime <= put_until:
                return True
            os.replace(aside, path)
            return False
        finally:
            aside.unlink(missing_ok=True)

    def _publish(self, part: Path, blob: Blob) -> None:
        path = self._path(blob.digest)
        with reachable():
            if self.is_local:
                if self._is_refreshed(path, blob.size_bytes):
                    return
                Path(path).parent.mkdir(exist_ok=True)
                os.replace(part, path)
                return
            if self._protocols & _WHOLE_OBJECTS:
                self._fs.put_file(str(part), path)
                return
            self._fs.makedirs(self._fs._parent(path), exist_ok=True)
            aside = f"{path}.{part.stem}"
            self._fs.put_file(str(part), aside)
            self._fs.mv(aside, path)

    @staticmethod
    def _is_refreshed(path: str, size_bytes: int) -> bool:
        """Whether the blob is there, and young from now on."""
        try:
            status = os.stat(path)
            if status.st_size != size_bytes or time.time() - status.st_mtime >= FRESH_S:
                return False
            os.utime(path)
        except (FileNotFoundError, PermissionError):
            return False
        return True

    def _written_at(self, path: str) -> float:
        return float(self._fs.modified(path).timestamp())

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise missing(digest)
        return f"{self._root}/{digest[:2]}/{digest}"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _ascii(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._ -]", "_", name)
