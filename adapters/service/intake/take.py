"""Takes a job's input files: from wherever they come, through the checks, into the blob store."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.to_thread

from adapters.host.settings import MIB, Settings
from adapters.service.blobs.store import CHUNK_BYTES, BlobStore
from adapters.service.blobs.writer import BlobWriter
from adapters.service.intake.contents import check_contents
from adapters.service.intake.encoded import decode_text
from adapters.service.intake.errors import InputRefused, InputTooLarge, InputUnreachable
from adapters.service.outbound.client import FetchLimits, OutboundClient
from adapters.service.outbound.errors import AddressRefused, FetchFailed, FetchTooLarge
from adapters.service.store.records import InputFile
from engine.folders import annotated

UPLOADS_FOLDER = ".uploads"  # hidden: what jobs brought is not among the files that one chooses from
_MAX_NAME_CHARS = 255
_AT_A_TIME = 4


class Upload(Protocol):
    """A body that is being received; FastAPI's ``UploadFile`` is one."""

    async def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


Source = str | Upload  # base64 text, a data URL, an http(s) address, or a body


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """What the input files of one job may be, and how long fetching one may take."""

    max_files: int = 64
    max_file_bytes: int = 256 * 2**20
    max_total_bytes: int = 1024 * 2**20
    max_pixels: int = 64_000_000
    fetch_s: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> IntakeLimits:
        """As the settings have them."""
        pixels = int(settings.max_megapixels * 1_000_000)
        return cls(max_file_bytes=settings.max_file_mib * MIB, max_pixels=pixels)


class Intake:
    """Takes input files into ``blobs``; ``client`` fetches those that are given by address."""

    def __init__(self, blobs: BlobStore, client: OutboundClient, limits: IntakeLimits | None = None) -> None:
        self._blobs = blobs
        self._client = client
        self._limits = limits or IntakeLimits()

    async def take(self, sources: Mapping[str, Source]) -> list[InputFile]:
        """The files by the names that the workflow calls them, each checked and stored, in the order given.

        ``stored_name`` is the name in the input folder that takes the name's place in the workflow: it depends on the
        contents alone, so equal files are cached as one and no job overwrites another's. Raises ``InputRefused`` for
        the first file that cannot be taken; the rest are dropped then, and what is stored already is swept later.
        """
        if len(sources) > self._limits.max_files:
            raise InputTooLarge(next(iter(sources)), f"a job may have {self._limits.max_files} input files")
        for name in sources:
            check_name(name)
        budget = _Budget(self._limits.max_total_bytes)
        taken: dict[str, InputFile] = {}
        refused: list[Exception] = []
        turns = anyio.CapacityLimiter(_AT_A_TIME)

        async def take_in_turn(name: str, source: Source) -> None:
            async with turns:
                try:
                    taken[name] = await self._take(name, source, budget)
                except Exception as error:  # noqa: BLE001 - raised again below, alone instead of in a group
                    refused.append(error)
                    tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for name, source in sources.items():
                tasks.start_soon(take_in_turn, name, source)
        if refused:
            raise refused[0]
        return [taken[name] for name in sources]

    async def _take(self, name: str, source: Source, budget: _Budget) -> InputFile:
        with self._blobs.writer() as writer:
            try:
                async with self._opened(name, source) as chunks:
                    async for chunk in chunks:
                        await self._write(name, writer, chunk, budget)
            except FetchTooLarge as error:
                raise InputTooLarge(name, error.message, remedy=error.remedy) from error
            except AddressRefused as error:
                raise InputRefused(name, error.message, remedy=error.remedy) from error
            except FetchFailed as error:
                raise InputUnreachable(name, error.message, remedy=error.remedy) from error
            return await anyio.to_thread.run_sync(self._finish, name, writer)

    def _finish(self, name: str, writer: BlobWriter) -> InputFile:
        writer.close()
        kind = check_contents(name, writer.path, self._limits.max_pixels)
        blob = writer.commit()
        stored_name = f"{UPLOADS_FOLDER}/{blob.digest}{kind.suffix_for(name)}"
        return InputFile(name, blob.digest, stored_name, kind.media_type, blob.size_bytes)

    async def _write(self, name: str, writer: BlobWriter, chunk: bytes, budget: _Budget) -> None:
        if writer.size_bytes + len(chunk) > self._limits.max_file_bytes:
            raise InputTooLarge(
                name, f"it has more than {self._limits.max_file_bytes:,} bytes", remedy="give a smaller file"
            )
        budget.spend(name, len(chunk))
        await anyio.to_thread.run_sync(writer.write, chunk)

    @asynccontextmanager
    async def _opened(self, name: str, source: Source) -> AsyncIterator[AsyncIterable[bytes]]:
        if not isinstance(source, str):
            yield _received(source)
        elif "://" in source[:32]:
            limits = FetchLimits(max_bytes=self._limits.max_file_bytes, total_s=self._limits.fetch_s)
            async with self._client.download(source.strip(), limits) as download:
                yield download
        else:
            yield _on_thread(decode_text(name, source, self._limits.max_file_bytes))


async def _received(upload: Upload) -> AsyncIterator[bytes]:
    while chunk := await upload.read(CHUNK_BYTES):
        yield chunk


async def _on_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
        yield piece


class _Budget:
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left_bytes = max_bytes

    def spend(self, name: str, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise InputTooLarge(name, f"with it, the input files have more than {self._max_bytes:,} bytes")


def check_name(name: str) -> None:
    """Raise ``InputRefused`` for a name that no file in an input folder has: absolute, with ``..``, unprintable."""
    parts = name.split("/")
    if not name.strip() or len(name) > _MAX_NAME_CHARS or not name.isprintable():
        raise InputRefused(name, "that is no file name", remedy="use 1 to 255 printable characters")
    if "\\" in name or any(part in ("", ".", "..") for part in parts) or annotated(name)[1]:
        raise InputRefused(name, "that is no name in the input folder", remedy="use the name that the workflow has")
