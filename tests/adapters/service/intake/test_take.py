"""Input files from every source, through the checks, into the store and the input folder."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.blobs.errors import BlobMissing, BlobStoreUnavailable
from adapters.service.blobs.store import BlobStore
from adapters.service.intake.errors import InputRefused, InputTooLarge, InputUnreachable
from adapters.service.intake.placing import place_files, sweep_placed
from adapters.service.intake.take import Intake, IntakeLimits, Source, check_name
from adapters.service.outbound.client import OutboundClient
from adapters.service.outbound.policy import AddressPolicy
from adapters.service.store.records import InputFile
from engine.errors import DagfusionError
from engine.folders import Folders
from tests.adapters.service.intake.files import picture, png_claiming, safetensors
from tests.adapters.service.outbound.servers import endless, loopback_policy, redirect, reply, serving, stall

pytestmark = pytest.mark.anyio
PNG = picture("PNG")
DIGEST = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


async def take(
    blobs: BlobStore, sources: Mapping[str, Source], policy: AddressPolicy | None = None, **limits: float
) -> list[InputFile]:
    client = OutboundClient(policy or loopback_policy())
    try:
        return await Intake(blobs, client, IntakeLimits(**{"fetch_s": 60.0, **limits})).take(sources)  # type: ignore[arg-type]
    finally:
        await client.aclose()


class Body:
    """An upload that arrives in small parts, and breaks off where told."""

    def __init__(self, data: bytes, *, breaks: bool = False) -> None:
        self._file = io.BytesIO(data)
        self._breaks = breaks
        self.was_read = 0

    async def read(self, size: int = -1, /) -> bytes:
        await asyncio.sleep(0)
        part = self._file.read(min(size, 1000))
        self.was_read += len(part)
        if not part and self._breaks:
            raise ConnectionResetError("the client is gone")
        return part


class Endless(Body):
    async def read(self, size: int = -1, /) -> bytes:
        self.was_read += size
        return b"\0" * size


def left_over(blobs: BlobStore, tmp_path: Path) -> list[Path]:
    assert blobs.is_local
    return _files(tmp_path / "blobs")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_file_is_the_same_from_every_source(blobs: BlobStore) -> None:
    text = base64.b64encode(PNG).decode()
    async with serving(reply(PNG, "content-type: text/html")) as server:
        sources: dict[str, Source] = {
            "a.png": text,
            "sub/b.png": f"data:image/png;base64,{text}",
            "c": f"{server.url}/x?y=z",
            "d.PNG": Body(PNG),
        }
        taken = await take(blobs, sources)
    stored_name = f".uploads/{DIGEST}.png"
    assert taken == [InputFile(name, DIGEST, stored_name, "image/png", len(PNG)) for name in sources]
    assert b"".join(blobs.chunks(DIGEST)) == PNG


async def test_no_files_are_no_problem(blobs: BlobStore) -> None:
    assert await take(blobs, {}) == []


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("not base64!", InputRefused, "neither base64 nor"),
        ("", InputRefused, "empty"),
        (base64.b64encode(b"hello").decode(), InputRefused, "no picture"),
        (base64.b64encode(PNG[:-5]).decode(), InputRefused, "stops half way"),
        (base64.b64encode(png_claiming(10**5, 10**5)).decode(), InputTooLarge, "megapixels"),
        ("http://10.0.0.1/x.png", InputRefused, "private address"),
        ("http://meta/x.png", InputRefused, "metadata address"),
        ("http://0x7f000001/", InputRefused, "is a number|neither a host name"),
        ("file:///etc/passwd", InputRefused, "no http or https address"),
        ("http://nowhere/", InputUnreachable, "not found"),
    ],
)
async def test_what_cannot_be_taken_is_one_clear_error_that_names_the_file(
    blobs: BlobStore, tmp_path: Path, source: str, error: type[InputRefused], says: str
) -> None:
    with pytest.raises(error, match=says) as refused:
        await take(
            blobs,
            {"good.png": base64.b64encode(PNG).decode(), "bad.png": source},
            loopback_policy(meta="169.254.169.254"),
        )
    assert type(refused.value) is error
    assert refused.value.name == "bad.png"
    assert not list((tmp_path / "blobs").rglob("*.part"))


async def test_addresses_that_misbehave(blobs: BlobStore, tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    cases = [
        (stall, InputUnreachable),
        (endless, InputTooLarge),
        (redirect("http://10.0.0.1/"), InputRefused),
        (reply(status=404), InputUnreachable),
        (reply(PNG, length=10**6), InputUnreachable),
        (reply(bomb, "content-encoding: gzip"), InputTooLarge),
        (reply(bomb), InputRefused),
    ]
    for answer, error in cases:
        async with serving(answer) as server:
            with pytest.raises(InputRefused) as refused:
                await take(
                    blobs, {"x.png": server.url}, max_file_bytes=1_000_000, fetch_s=0.5 if answer is stall else 60
                )
        assert type(refused.value) is error, answer
    assert not left_over(blobs, tmp_path)


async def test_an_endless_body_is_read_no_further_than_the_limit(blobs: BlobStore, tmp_path: Path) -> None:
    body = Endless(b"")
    with pytest.raises(InputTooLarge, match="more than 3,000,000 bytes"):
        await take(blobs, {"x.png": body}, max_file_bytes=3_000_000)
    assert body.was_read <= 4 * 2**20
    assert not left_over(blobs, tmp_path)


async def test_a_body_that_stops_half_way_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await take(blobs, {"x.png": Body(PNG, breaks=True)})
    assert not left_over(blobs, tmp_path)


async def test_all_files_together_have_a_limit(blobs: BlobStore) -> None:
    sources: dict[str, Source] = {f"{number}.png": Body(PNG) for number in range(5)}
    assert len(await take(blobs, sources, max_total_bytes=5 * len(PNG))) == 5
    sources = {f"{number}.png": Body(PNG) for number in range(5)}
    with pytest.raises(InputTooLarge, match="with it, the input files have more than"):
        await take(blobs, sources, max_total_bytes=5 * len(PNG) - 1)


async def test_there_is_a_limit_to_their_number(blobs: BlobStore) -> None:
    with pytest.raises(InputTooLarge, match="3 input files"):
        await take(blobs, {f"{number}.png": Body(PNG) for number in range(4)}, max_files=3)


async def test_a_file_of_exactly_the_limit_is_taken(blobs: BlobStore) -> None:
    for source in (Body(PNG), base64.b64encode(PNG).decode()):
        assert await take(blobs, {"x.png": source}, max_file_bytes=len(PNG))
    for source in (Body(PNG), base64.b64encode(PNG).decode()):
        with pytest.raises(InputTooLarge):
            await take(blobs, {"x.png": source}, max_file_bytes=len(PNG) - 1)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "/etc/passwd", "../x.png", "a/../x.png", "a//b", "a/", "a\\b.png", "C:\\x.png"),
        *("a\0.png", "a\n.png", "\u202egnp.exe", "x" * 256, "x.png [output]", "x.png [input]", "\ud800.png"),
    ],
)
async def test_names_that_are_none_are_refused(blobs: BlobStore, name: str) -> None:
    with pytest.raises(InputRefused, match=r"no file name|no name in the input folder"):
        await take(blobs, {name: Body(PNG)})


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_name_that_is_let_through_stays_in_its_folder(name: str) -> None:
    try:
        check_name(name)
    except InputRefused:
        return
    folder = os.path.abspath("/some/folder")
    path = os.path.normpath(os.path.join(folder, name))
    assert path.startswith(folder + "/")
    assert path == f"{folder}/{name}"
    name.encode()


# --- placing -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["linked", "copied"])
async def placed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[BlobStore, InputFile]:
    store = BlobStore(
        tmp_path / "blobs" if request.param == "linked" else f"memory://{tmp_path}", spool=tmp_path / "spool"
    )
    (file,) = await take(store, {"a.png": Body(PNG)})
    return store, file


async def test_files_are_put_where_nodes_find_them(placed: tuple[BlobStore, InputFile], tmp_path: Path) -> None:
    blobs, file = placed
    folder = tmp_path / "input"
    for _ in range(2):
        place_files([file, file], blobs, folder)
        assert [path.relative_to(folder).as_posix() for path in _files(folder)] == [file.stored_name]
        assert (folder / file.stored_name).read_bytes() == PNG


async def test_a_broken_or_foreign_file_in_its_place_is_replaced(
    placed: tuple[BlobStore, InputFile], tmp_path: Path
) -> None:
    blobs, file = placed
    target = tmp_path / "input" / file.stored_name
    target.parent.mkdir(parents=True)
    for other in (PNG[:5], bytes(len(PNG))):
        target.unlink(missing_ok=True)
        target.write_bytes(other)
        place_files([file], blobs, tmp_path / "input")
        assert target.read_bytes() == PNG
    target.unlink()
    (tmp_path / "secret").write_bytes(b"s" * len(PNG))
    target.symlink_to(tmp_path / "secret")
    place_files([file], blobs, tmp_path / "input")
    assert not target.is_symlink()
    assert target.read_bytes() == PNG
    assert (tmp_path / "secret").read_bytes() == b"s" * len(PNG)


async def test_many_workers_place_the_same_file(placed: tuple[BlobStore, InputFile], tmp_path: Path) -> None:
    blobs, file = placed
    errors: list[Exception] = []

    def place() -> None:
        try:
            for number in range(10):
                folder = tmp_path / f"input{number}"
                place_files([file], blobs, folder)
                assert (folder / file.stored_name).read_bytes() == PNG
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=place) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list(tmp_path.glob("input*/.uploads/*"))) == 10
    assert not list(tmp_path.rglob("*.part"))


async def test_a_blob_that_is_gone_is_one_clear_error(placed: tuple[BlobStore, InputFile], tmp_path: Path) -> None:
    blobs, file = placed
    blobs.delete(file.digest)
    with pytest.raises(BlobMissing):
        place_files([file], blobs, tmp_path / "input")
    assert not _files(tmp_path / "input")


async def test_a_remote_blob_that_was_altered_is_not_placed(tmp_path: Path) -> None:
    blobs = BlobStore(f"memory://{tmp_path}", spool=tmp_path / "spool")
    (file,) = await take(blobs, {"a.png": Body(PNG)})
    blobs._fs.pipe(blobs._path(file.digest), b"other")
    with pytest.raises(BlobStoreUnavailable, match="does not hold"):
        place_files([file], blobs, tmp_path / "input")
    assert not _files(tmp_path / "input")


@pytest.mark.parametrize(
    "stored_name", ["../x.png", f".uploads/{'0' * 64}.png", "/etc/x", f"uploads/{DIGEST}.p/../../x"]
)
async def test_only_names_of_its_own_making_are_placed(blobs: BlobStore, tmp_path: Path, stored_name: str) -> None:
    (file,) = await take(blobs, {"a.png": Body(PNG)})
    forged = InputFile(file.name, file.digest, stored_name, file.media_type, file.size_bytes)
    with pytest.raises(DagfusionError, match="which is none"):
        place_files([forged], blobs, tmp_path / "input")


async def test_a_folder_that_cannot_be_written_is_named(blobs: BlobStore, tmp_path: Path) -> None:
    (file,) = await take(blobs, {"a.png": Body(PNG)})
    (tmp_path / "input").write_text("")
    with pytest.raises(DagfusionError, match="cannot be put into"):
        place_files([file], blobs, tmp_path / "input")


async def test_placed_files_are_swept_when_nobody_needs_them(blobs: BlobStore, tmp_path: Path) -> None:
    used, old, young = await take(
        blobs, {"a.png": Body(PNG), "b.latent": Body(safetensors()), "c.latent": Body(safetensors(16))}
    )
    folder = tmp_path / "input"
    place_files([used, old, young], blobs, folder)
    assert Folders(input=folder).files("input") == []  # They are nobody else's to choose.
    (folder / ".uploads" / "mine.png").write_bytes(b"x")
    for name in (used.stored_name, old.stored_name, ".uploads/mine.png"):
        os.utime(folder / name, (0, 0))
    assert sweep_placed(folder, {used.digest}) == 1
    assert {path.name for path in (folder / ".uploads").iterdir()} == {
        os.path.basename(used.stored_name),
        os.path.basename(young.stored_name),
        "mine.png",
    }
    place_files([used], blobs, folder)
    assert sweep_placed(folder, ()) == 0  # A job asked for it just now.
