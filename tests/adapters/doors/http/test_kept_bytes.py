"""Pieces are made once, and the queue's items with them, until there is no room for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from adapters.doors.http.kept_bytes import KeptBytes
from adapters.service.store.jobs import Jobs
from adapters.service.store.records import Job
from tests.adapters.doors.http.serving import serving
from tests.adapters.services import picture_prompt


def test_pieces_are_made_once_and_those_asked_for_longest_ago_go_first() -> None:
    made: list[int] = []

    def make(keys: Sequence[int]) -> dict[int, bytes]:
        made.extend(keys)
        return {key: b"%04d" % key for key in keys if key != 13}

    kept = KeptBytes(12)
    assert kept.of([3, 1, 2], make) == [b"0003", b"0001", b"0002"]
    assert kept.of([1, 13, 3], make) == [b"0001", b"0003"]
    assert made == [3, 1, 2, 13]
    assert kept.of([4], make) == [b"0004"]  # there is room for three: what was asked for longest ago is gone
    assert kept.of([1, 3, 2], make) == [b"0001", b"0003", b"0002"]
    assert made == [3, 1, 2, 13, 4, 2]
    assert KeptBytes(0).of([1, 2], make) == [b"0001", b"0002"]


def test_a_waiting_job_is_read_once_however_often_the_queue_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    numbered = Jobs.numbered

    def counted(self: Jobs, sequences: Sequence[int]) -> list[Job]:
        read.extend(sequences)
        return numbered(self, sequences)

    monkeypatch.setattr(Jobs, "numbered", counted)
    with serving(tmp_path) as web:

        def pending() -> list[list[object]]:
            found: list[list[object]] = httpx.get(f"{web.url}/queue").json()["queue_pending"]
            return found

        first, second = (submit(web.url, color) for color in (1, 2))
        items = pending()
        assert [item[1] for item in items] == [first, second]
        assert [item[2] for item in items] == [picture_prompt(1), picture_prompt(2)]
        third = submit(web.url, 3, front=True)
        assert [item[1] for item in pending()] == [third, first, second]
        httpx.post(f"{web.url}/queue", json={"delete": [first]})
        assert [item[1] for item in pending()] == [third, second]
        assert len(read) == len(set(read)) == 3


def submit(url: str, color: int, **more: object) -> str:
    return str(httpx.post(f"{url}/prompt", json={"prompt": picture_prompt(color), **more}).json()["prompt_id"])
