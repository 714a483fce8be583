"""Blobs in S3, as its protocol has it on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.store import BlobStore
from tests.adapters.s3 import S3, serving_s3

pytest.importorskip("s3fs")


@pytest.fixture
def s3() -> Iterator[tuple[BlobStore, type[S3]]]:
    with serving_s3() as (port, handler):
        yield _store(port), handler


def _store(port: int) -> BlobStore:
    client = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    config = {"retries": {"max_attempts": 0}, "connect_timeout": 60}
    return BlobStore("s3://bucket/blobs", key="id", secret="key", client_kwargs=client, config_kwargs=config)


def test_blobs_live_in_s3(s3: tuple[BlobStore, type[S3]]) -> None:
    blobs, server = s3
    blob = blobs.put_bytes(b"hello")
    assert list(server.objects) == [f"blobs/{blob.digest[:2]}/{blob.digest}"]
    assert blobs.put_bytes(b"hello") == blob
    assert blobs.size(blob.digest) == 5
    assert blobs.local_path(blob.digest) is None
    assert b"".join(blobs.chunks(blob.digest)) == b"hello"
    with blobs.open(blob.digest) as file:
        file.seek(2)
        assert file.read() == b"llo"
    assert blobs.delete(blob.digest)
    assert not blobs.exists(blob.digest)
    with pytest.raises(BlobMissing):
        blobs.open(blob.digest).read()


def test_s3_signs_links(s3: tuple[BlobStore, type[S3]]) -> None:
    blobs, _ = s3
    url = blobs.signed_url(blobs.put_bytes(b"hello").digest, 'a "b"\r\nü.png', "image/png", 60)
    assert url is not None
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-type"] == ["image/png"]
    assert query["response-content-disposition"] == ['attachment; filename="a _b____.png"']
    with urlopen(url) as answer:
        assert answer.read() == b"hello"


def test_old_blobs_are_swept_from_s3(s3: tuple[BlobStore, type[S3]]) -> None:
    blobs, server = s3
    server.now -= 10**6
    old, used = blobs.put_bytes(b"old").digest, blobs.put_bytes(b"used").digest
    server.now += 10**6
    young = blobs.put_bytes(b"young").digest
    assert [blob.digest for blob in blobs.sweep({used})] == [old]
    assert [blobs.exists(digest) for digest in (old, used, young)] == [False, True, True]


def test_s3_that_refuses_or_is_gone_is_one_clear_error(s3: tuple[BlobStore, type[S3]]) -> None:
    blobs, server = s3
    digest = blobs.put_bytes(b"hello").digest
    server.broken = True
    with pytest.raises(BlobStoreUnavailable):
        blobs.put_bytes(b"other")
    with pytest.raises(BlobStoreUnavailable):
        blobs.exists(digest)
    with pytest.raises(BlobStoreUnavailable):
        _store(1).exists(digest)
