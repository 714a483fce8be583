"""Blobs in a local folder and in other file systems: written whole or not at all, found by what they hold."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.store import FRESH_S, MIN_SWEEP_AGE_S, BlobStore
from tests.adapters.services import until

NOWHERE = "0" * 64


@pytest.fixture(params=["local", "memory", "renaming"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    """A store in a folder, one of whole objects, and one that uploads aside and renames."""
    if request.param == "local":
        yield BlobStore(tmp_path / "blobs")
        return
    if request.param == "memory":
        yield BlobStore("memory://bucket/blobs", spool=tmp_path / "spool")
        memory = fsspec.filesystem("memory")
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]
        return
    remote = tmp_path / "remote"
    yield BlobStore(f"dir::file://{remote}", spool=tmp_path / "spool", dir={"path": str(remote)})


def test_what_is_put_can_be_read(blobs: BlobStore, tmp_path: Path) -> None:
    blob = blobs.put_bytes(b"hello")
    assert blob.digest == hashlib.sha256(b"hello").hexdigest()
    assert blob.size_bytes == 5
    assert blobs.exists(blob.digest)
    assert blobs.size(blob.digest) == 5
    with blobs.open(blob.digest) as file:
        file.seek(1)
        assert file.read(3) == b"ell"
    (tmp_path / "file").write_bytes(b"hello")
    assert blobs.put_file(tmp_path / "file") == blob
    assert blobs.put_stream(iter([b"he", b"", b"llo"])) == blob
    assert blobs.put_bytes(b"") != blob
    assert b"".join(blobs.chunks(blob.digest)) == b"hello"


def test_deleting(blobs: BlobStore) -> None:
    digest = blobs.put_bytes(b"hello").digest
    assert blobs.delete(digest)
    assert not blobs.delete(digest)
    assert not blobs.exists(digest)


@pytest.mark.parametrize("digest", [NOWHERE, "", "x", "../../etc/passwd", "A" * 64, "0" * 63 + "\n", "0" * 64 + "\n"])
def test_a_blob_that_is_not_there_is_one_clear_error(blobs: BlobStore, digest: str) -> None:
    for ask in (
        blobs.size,
        blobs.open,
        blobs.local_path if blobs.is_local else blobs.size,
        lambda d: list(blobs.chunks(d)),
    ):
        with pytest.raises(BlobMissing):
            ask(digest)
    assert not blobs.exists(digest)
    assert not blobs.delete(digest)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_stream_that_breaks_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"hello"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.put_stream(broken())
    with blobs.writer() as writer:
        writer.write(b"x")
    assert not _files(tmp_path)


def test_a_writer_can_be_looked_at_before_it_is_committed(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(b"hello")
        writer.close()
        assert writer.path.read_bytes() == b"hello"
        blob = writer.commit()
    assert blobs.exists(blob.digest)
    with blobs.writer() as writer:
        writer.write(b"other")
    assert not blobs.exists(hashlib.sha256(b"other").hexdigest())


def test_readers_never_see_half_a_blob(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    data = os.urandom(3_000_000)
    digest = hashlib.sha256(data).hexdigest()
    seen: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if blobs.exists(digest):
                seen.add(blobs.size(digest))

    watcher = threading.Thread(target=watch)
    watcher.start()
    writers = [
        threading.Thread(target=blobs.put_stream, args=([data[i : i + 10_000] for i in range(0, len(data), 10_000)],))
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    until(lambda: seen)
    done.set()
    watcher.join()
    assert seen == {len(data)}


def test_a_killed_writer_leaves_no_blob_and_its_part_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from adapters.service.blobs.store import BlobStore\n"
        "def chunks():\n    yield b'x' * 100_000\n    os.kill(os.getpid(), 9)\n"
        "BlobStore(sys.argv[1]).put_stream(chunks())"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=Path(__file__).parents[4])
    assert killed.returncode == -9
    (part,) = _files(tmp_path)
    assert part.suffix == ".part"
    blobs = BlobStore(tmp_path)
    blobs.sweep(in_use=())
    assert part.exists()  # It may belong to a writer that is still at work.
    old = time.time() - 100_000
    os.utime(part, (old, old))
    blobs.sweep(in_use=())
    assert not part.exists()


def _age(blobs: BlobStore, digest: str, age_s: float) -> None:
    path = blobs.local_path(digest)
    assert path is not None
    os.utime(path, (time.time() - age_s,) * 2)


def test_a_sweep_removes_what_is_old_and_unused(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    used, old, young = (blobs.put_bytes(text).digest for text in (b"used", b"old", b"young"))
    _age(blobs, used, 10**6)
    _age(blobs, old, 10**6)
    removed = blobs.sweep({used})
    assert [(blob.digest, blob.size_bytes) for blob in removed] == [(old, 3)]
    assert (blobs.exists(used), blobs.exists(old), blobs.exists(young)) == (True, False, True)
    _age(blobs, young, MIN_SWEEP_AGE_S - 60)
    assert not blobs.sweep({used}, older_than_s=0)  # Never younger than an hour: its job may be about to be stored.


def test_a_blob_that_is_put_again_is_young_again(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    digest = blobs.put_bytes(b"x").digest
    for age_s in (FRESH_S + 60, 10**6):
        _age(blobs, digest, age_s)
        blobs.put_bytes(b"x")
        assert not blobs.sweep((), older_than_s=0)
    assert blobs.exists(digest)


def test_a_sweep_works_in_remote_stores(blobs: BlobStore) -> None:
    digest = blobs.put_bytes(b"x").digest
    assert blobs.sweep(()) == []
    assert blobs.exists(digest)


def test_a_damaged_blob_is_written_again(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    digest = blobs.put_bytes(b"hello").digest
    path = blobs.local_path(digest)
    assert path is not None
    path.write_bytes(b"")
    blobs.put_bytes(b"hello")
    assert path.read_bytes() == b"hello"


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BlobStoreUnavailable, match="cannot be kept"):
        BlobStore(tmp_path / "file" / "blobs")
    with pytest.raises(BlobStoreUnavailable, match="cannot be kept"):
        BlobStore("nosuchprotocol://x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    with blobs.writer() as writer:
        os.dup2(os.open("/dev/full", os.O_WRONLY), writer._file.fileno())
        writer.write(b"x" * 10)
        with pytest.raises(BlobStoreUnavailable, match="No space left"):
            writer.commit()
    assert not _files(tmp_path)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=20))
def test_contents_come_back_by_their_digest(contents: list[bytes]) -> None:
    blobs = BlobStore("memory://property")
    stored = {blobs.put_bytes(content).digest: content for content in contents}
    assert len(stored) == len(set(contents))
    for digest, content in stored.items():
        assert b"".join(blobs.chunks(digest)) == content


def test_local_and_memory_stores_sign_no_links(blobs: BlobStore) -> None:
    assert blobs.signed_url(blobs.put_bytes(b"x").digest, "x.png", "image/png", 60) is None
