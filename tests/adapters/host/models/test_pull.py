"""Pulling from a server that behaves, and from servers that do not."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from adapters.host.models.errors import PullFailed
from adapters.host.models.events import Advanced, Arrived, Failed, Outcome, Planned, Retrying, Started
from adapters.host.models.places import ASIDE, Beside
from tests.adapters.host.models.conftest import SILENT, Puller, entry, weights
from tests.adapters.host.models.depot import (
    Depot,
    Request,
    Trick,
    answer,
    chunked,
    displaced,
    drop,
    guarded,
    open_depot,
    serve,
    stall,
    trickle,
    whole,
)
from tests.adapters.services import closed_port

BODY = weights()
NAME = "m.safetensors"


def failure(outcome: Outcome) -> PullFailed:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def leftovers(puller: Puller) -> list[str]:
    """What lies beside the models, apart from remembered hashes and locks."""
    return [path.name for path in puller.root.rglob(f"{ASIDE}/*") if path.suffix not in (".sha256", ".lock")]


def assert_complete(puller: Puller, name: str = NAME, body: bytes = BODY) -> None:
    assert puller.path(name).read_bytes() == body
    assert leftovers(puller) == []


def test_files_arrive_several_at_a_time_and_are_not_fetched_twice(puller: Puller) -> None:
    bodies = {f"sub/{i}.safetensors": weights(i, 100_000 + i) for i in range(9)}
    entries = [puller.offer(name, body) for name, body in bodies.items()]
    outcomes = puller(*entries, jobs=3)
    assert [o.model.name for o in outcomes] == list(bodies)
    assert all(isinstance(o, Arrived) and o.fetched for o in outcomes)
    for name, body in bodies.items():
        assert_complete(puller, name, body)
    assert Planned(9, sum(map(len, bodies.values()))) in puller.events
    asked = len(puller.depot.seen)
    again = puller(*entries)
    assert all(isinstance(o, Arrived) and not o.fetched for o in again)
    assert len(puller.depot.seen) == asked


def test_no_more_files_than_jobs_are_on_their_way_at_once(puller: Puller) -> None:
    entries = [puller.offer(f"{i}.safetensors", weights(i, 300_000)) for i in range(8)]
    both = threading.Barrier(2, timeout=60)

    def meet(request: Request, body: bytes) -> None:
        both.wait()
        serve(request, body)

    for i in range(2):
        puller.depot.tricks[f"/{i}.safetensors"].append(meet)
    puller(*entries, jobs=2)
    busy = most = 0
    for event in puller.events:
        busy += isinstance(event, Started) - isinstance(event, Arrived)
        most = max(most, busy)
    assert most == 2


@pytest.mark.parametrize(
    ("tricks", "ranges"),
    [
        ([drop(70_000)], [None, "bytes=70000-"]),
        ([drop(70_000), drop(50_000)], [None, "bytes=70000-", "bytes=120000-"]),
        ([answer(503), answer(429, Retry_After="0")], [None, None, None]),
        ([drop(70_000), whole(BODY)], [None, "bytes=70000-"]),  # Range is not known there
        ([drop(70_000), answer(416)], [None, "bytes=70000-", None]),
        ([drop(70_000), answer(206)], [None, "bytes=70000-", None]),  # a part of which nobody says which it is
        ([drop(70_000), displaced(10)], [None, "bytes=70000-", None]),
        ([chunked(BODY)], [None]),
        ([chunked(BODY[:90_000])], [None, "bytes=90000-"]),
    ],
    ids=["drop", "drop-twice", "busy", "no-ranges", "416", "206-unnamed", "206-other", "chunked", "ends-early"],
)
def test_a_broken_transfer_goes_on_where_it_stopped(
    puller: Puller, tricks: list[Trick], ranges: list[str | None]
) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].extend(tricks)
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived), outcome
    assert_complete(puller)
    assert puller.depot.ranges(f"/{NAME}") == ranges
    assert sum(isinstance(e, Retrying) for e in puller.events) == len(ranges) - 1
    done = [e.done_bytes for e in puller.events if isinstance(e, Advanced)]
    assert done[-1] == len(BODY)


def test_a_server_that_falls_silent_is_left_and_asked_again(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].append(stall(60_000))
    (outcome,) = puller(offered, patience=SILENT)
    assert isinstance(outcome, Arrived), outcome
    assert_complete(puller)
    assert puller.depot.ranges(f"/{NAME}") == [None, "bytes=60000-"]
    assert [e.reason for e in puller.events if isinstance(e, Retrying)] == ["the server went silent"]


def test_a_server_that_trickles_is_left_and_asked_again(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].append(trickle(0.1))
    (outcome,) = puller(offered, patience=SILENT)
    assert isinstance(outcome, Arrived), outcome
    assert_complete(puller)
    assert [e.reason for e in puller.events if isinstance(e, Retrying)] == ["the server trickles"]
    first, second = puller.depot.ranges(f"/{NAME}")
    assert first is None
    assert second is not None


def test_a_part_of_another_version_is_not_joined_to_ours(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    older = weights(99)
    tricks = [lambda request, _: drop(70_000)(request, older), drop(50_000)]  # neither cares for If-Range
    puller.depot.tricks[f"/{NAME}"].extend(tricks)
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived), outcome
    assert_complete(puller)
    assert puller.depot.ranges(f"/{NAME}") == [None, "bytes=70000-", None]


def test_a_server_that_stays_silent_is_given_up(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.forever = True
    puller.depot.tricks[f"/{NAME}"].append(stall(10))
    (outcome,) = puller(offered, patience=replace(SILENT, stall_s=2.0))
    assert failure(outcome).code == "unreachable"
    assert "went silent" in failure(outcome).message
    assert not puller.path(NAME).exists()


def test_a_later_pull_goes_on_where_an_earlier_one_gave_up(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.forever = True
    puller.depot.tricks[f"/{NAME}"].extend([drop(80_000), drop(0)])
    (outcome,) = puller(offered)
    error = failure(outcome)
    assert error.code == "unreachable"
    assert "80,000 of 200,0" in error.message
    assert not puller.path(NAME).exists()
    puller.depot.tricks.clear()
    puller.depot.seen.clear()
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived)
    assert puller.depot.ranges(f"/{NAME}") == ["bytes=80000-"]
    assert Started(outcome.model, 80_000) in puller.events
    assert_complete(puller)


def test_a_file_that_changed_in_between_is_fetched_anew(puller: Puller) -> None:
    older = weights(99)
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].append(lambda request, _: drop(80_000)(request, older))
    (outcome,) = puller(offered)  # If-Range names the older version, so all of the newer one comes
    assert isinstance(outcome, Arrived)
    assert_complete(puller)
    assert [h.get("If-Range") is not None for _, h in puller.depot.seen] == [False, True]


def test_leftovers_of_another_file_are_noticed_by_the_hash(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    beside = Beside(puller.path(NAME))
    beside.folder.mkdir(parents=True)
    beside.part.write_bytes(weights(5)[:90_000])
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived)
    assert puller.depot.ranges(f"/{NAME}") == ["bytes=90000-", None]
    assert_complete(puller)


@pytest.mark.parametrize(
    ("trick", "code"),
    [
        (whole(weights(7)), "hash_wrong"),
        (chunked(BODY + b"more"), "size_wrong"),
        (whole(BODY[:-1]), "size_wrong"),
        (whole(BODY + b"more"), "size_wrong"),
        (chunked(BODY[:90_000]), "unreachable"),
        (answer(404), "missing"),
        (answer(410), "missing"),
        (answer(400), "refused"),
        (answer(302, Location="ftp://127.0.0.1/x"), "refused"),
        (answer(302, Location=f"/{NAME}"), "refused"),  # for ever
        (answer(500), "unreachable"),
        (whole(BODY, Content_Encoding="gzip"), "type_wrong"),
    ],
    ids=["bytes", "long", "less", "more", "short", "404", "410", "400", "ftp", "loop", "500", "gzip"],
)
def test_a_server_that_lies_is_found_out_and_nothing_takes_the_name(puller: Puller, trick: Trick, code: str) -> None:
    good = puller.offer("good.safetensors", weights(1))
    bad = puller.offer(NAME, BODY)
    puller.depot.forever = True
    puller.depot.tricks[f"/{NAME}"].append(trick)
    outcome, other = puller(bad, good)
    error = failure(outcome)
    assert error.code == code
    assert error.remedy
    assert error.message.startswith(f"checkpoints/{NAME}: ")
    assert not puller.path(NAME).exists()
    assert isinstance(other, Arrived)  # one file's failure is not another's


def test_a_server_that_never_ends_is_left_at_the_manifests_size(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].append(chunked(BODY * 20))
    (outcome,) = puller(offered)
    assert failure(outcome).code == "size_wrong"
    assert not Beside(puller.path(NAME)).part.read_bytes()
    assert max(e.done_bytes for e in puller.events if isinstance(e, Advanced)) <= len(BODY)


def test_a_server_that_nobody_answers_for(puller: Puller) -> None:
    with closed_port() as port:
        (outcome,) = puller(entry(NAME, BODY, {"url": f"http://127.0.0.1:{port}/x"}))
    assert failure(outcome).code == "unreachable"
    assert "cannot be reached" in failure(outcome).message


def test_the_token_goes_to_its_site_and_not_to_where_that_redirects(puller: Puller) -> None:
    puller.token = "hf_secret"
    hub = {"huggingface": "acme/model", "file": "a b.safetensors", "revision": "refs/pr/1"}
    with open_depot() as elsewhere:
        elsewhere.files["/cdn"] = BODY
        path = "/acme/model/resolve/refs%2Fpr%2F1/a%20b.safetensors"
        puller.depot.tricks[path].append(answer(302, Location=f"{elsewhere.url}/cdn?signature=x"))
        (outcome,) = puller(entry(NAME, BODY, hub))
        assert isinstance(outcome, Arrived), outcome
        (asked,) = puller.depot.seen
        assert asked[1]["Authorization"] == "Bearer hf_secret"
        (followed,) = elsewhere.seen
        assert "Authorization" not in followed[1]
        # A source that is elsewhere from the start gets none either.
        (outcome,) = puller(entry("other.safetensors", BODY, {"url": f"{elsewhere.url}/cdn"}))
        assert isinstance(outcome, Arrived)
        assert "Authorization" not in elsewhere.seen[-1][1]


@pytest.mark.parametrize(("token", "code"), [("", "token_missing"), ("wrong-hf-token", "token_refused")])
def test_a_missing_or_refused_token(puller: Puller, token: str, code: str) -> None:
    puller.token = token
    offered = puller.offer(NAME, BODY)
    puller.depot.forever = True
    puller.depot.tricks[f"/{NAME}"].append(guarded("right"))
    (outcome,) = puller(offered)
    error = failure(outcome)
    assert error.code == code
    assert "HF_TOKEN" in error.remedy
    assert "wrong-hf-token" not in f"{error} {puller.events}"
    assert len(puller.depot.seen) == 1  # asking again would not help
    puller.token = "right"
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived)


def test_a_login_page_instead_of_the_file_means_a_missing_token(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.depot.tricks[f"/{NAME}"].append(answer(302, Location="/login"))
    puller.depot.tricks["/login"].append(whole(b"<html>" * 50, Content_Type="text/html; charset=utf-8"))
    (outcome,) = puller(offered)
    assert failure(outcome).code == "token_missing"


def test_what_does_not_fit_on_the_disk_is_not_begun(puller: Puller) -> None:
    offered = [puller.offer(f"{i}.safetensors", weights(i, 40_000_000 if i else 1000)) for i in range(2)]
    with pytest.raises(PullFailed, match="free") as caught:
        puller(*offered, free=lambda folder: 100_000_000)
    assert caught.value.code == "disk_full"
    assert "room" in caught.value.remedy
    assert not puller.depot.seen
    assert not puller.root.exists()
    assert all(isinstance(o, Arrived) for o in puller(*offered, free=lambda folder: 110_000_000))


def test_a_disk_that_fills_up_on_the_way(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    folder = Beside(puller.path(NAME)).folder
    folder.mkdir(parents=True)
    # /dev/full fails every write with "no space left", as a full disk does.
    (folder / f"{NAME}.note").symlink_to("/dev/full")
    (outcome,) = puller(offered)
    error = failure(outcome)
    assert error.code == "disk_full"
    assert "room" in error.remedy


def test_a_file_with_other_contents_is_kept_unless_replacing_is_asked_for(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller.path(NAME).parent.mkdir(parents=True)
    puller.path(NAME).write_bytes(own := weights(3))
    (outcome,) = puller(offered)
    assert failure(outcome).code == "differs"
    assert puller.path(NAME).read_bytes() == own
    assert not puller.depot.seen
    (outcome,) = puller(offered, replace=True)
    assert isinstance(outcome, Arrived)
    assert outcome.fetched
    assert_complete(puller)


def test_an_unchanged_file_is_hashed_once_and_a_changed_one_again(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    puller(offered)
    path = puller.path(NAME)
    before = path.stat()
    damaged = bytearray(BODY)
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived)  # size and time are the same: `verify` is what reads it all
    os.utime(path, (1, 1))
    (outcome,) = puller(offered)
    assert failure(outcome).code == "differs"


def test_a_pickle_under_a_safe_name_is_not_let_in(puller: Puller) -> None:
    offered = puller.offer(NAME, b"\x80\x02}q\x00." + bytes(500))
    (outcome,) = puller(offered)
    assert failure(outcome).code == "type_wrong"
    assert not puller.path(NAME).exists()
    assert leftovers(puller) == []
    allowed = puller.offer("m.ckpt", b"\x80\x02}q\x00." + bytes(500), allow_pickle=True)
    (outcome,) = puller(allowed)
    assert isinstance(outcome, Arrived)


def test_a_local_file_is_copied(puller: Puller, tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_bytes(BODY)
    (outcome,) = puller(entry(NAME, BODY, {"path": "mine.safetensors"}))
    assert isinstance(outcome, Arrived)
    assert_complete(puller)
    wrong = entry("w.safetensors", weights(8), {"path": "mine.safetensors"})
    short = entry("s.safetensors", BODY + b"x", {"path": "mine.safetensors"})
    long = entry("l.safetensors", BODY[:-1], {"path": "mine.safetensors"})
    lacking = entry("x.safetensors", BODY, {"path": "lacking.safetensors"})
    outcomes = puller(wrong, short, long, lacking)
    assert [failure(o).code for o in outcomes] == ["hash_wrong", "size_wrong", "size_wrong", "missing"]


def test_a_folder_in_the_files_place(puller: Puller) -> None:
    puller.root.mkdir()
    (puller.root / "checkpoints").write_text("a file where a folder must be")
    (outcome,) = puller(puller.offer(NAME, BODY))
    assert failure(outcome).code == "not_writable"


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to write everywhere, where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_is_read_only(depot: Depot) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        puller = Puller(depot, Path(folder) / "models")
        offered = [puller.offer(f"{i}.safetensors", weights(i)) for i in range(2)]
        puller(offered[0])  # also imports what later runs need
        for path in (puller.root, *puller.root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        with as_nobody():
            present, lacking = puller(*offered)
        assert isinstance(present, Arrived)  # what is there can be used
        error = failure(lacking)
        assert error.code == "not_writable"
        assert "--models" in error.remedy
        assert str(puller.root) in error.message
        for path in (puller.root, *puller.root.rglob("*")):
            path.chmod(0o755)


def test_files_in_any_folder_of_their_kind_count_and_links_are_followed(puller: Puller, tmp_path: Path) -> None:
    elsewhere = tmp_path / "big-disk"
    elsewhere.mkdir()
    puller.root.mkdir()
    (puller.root / "clip").symlink_to(elsewhere)  # an old name of text_encoders
    offered = puller.offer(NAME, BODY) | {"kind": "clip"}
    (outcome,) = puller(offered)
    assert isinstance(outcome, Arrived)
    assert (elsewhere / NAME).read_bytes() == BODY
    assert outcome.model.kind == "text_encoders"


def test_a_file_that_another_pull_fetches_is_waited_for(puller: Puller) -> None:
    offered = puller.offer(NAME, BODY)
    beside = Beside(puller.path(NAME))
    beside.folder.mkdir(parents=True)
    lock = FileLock(beside.lock, thread_local=False)
    lock.acquire()

    def hear(event: object) -> None:
        puller.events.append(event)  # type: ignore[arg-type]
        if type(event).__name__ == "Waiting":
            puller.path(NAME).write_bytes(BODY)  # the other pull is done
            lock.release()

    (outcome,) = puller(offered, hear=hear)
    assert isinstance(outcome, Arrived)
    assert not outcome.fetched
    assert not puller.depot.seen
