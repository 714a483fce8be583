"""Pulls a manifest's files: what is here is checked, what is missing is fetched, several files at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from filelock import FileLock, Timeout

from adapters.host.models.contents import HEAD_BYTES, check_hash, check_type, hash_of
from adapters.host.models.document import ListedModel
from adapters.host.models.errors import PullFailed, from_os_error
from adapters.host.models.events import Arrived, Failed, Listener, Outcome, Planned, Started, Waiting, unheard
from adapters.host.models.part import PartialFile
from adapters.host.models.places import Beside, Places, remember_hash, remembered_hash
from adapters.host.models.sites import Sites
from adapters.host.models.space import FreeBytes, check_space, free_bytes
from adapters.host.models.transfer import PATIENCE, Transfer, TransferLimits, http_client

DEFAULT_JOBS = 4
_LOCK_POLL_S = 0.2


def pull(
    models: Sequence[ListedModel],
    places: Places,
    sites: Sites,
    *,
    hear: Listener = unheard,
    jobs: int = DEFAULT_JOBS,
    replace: bool = False,
    patience: TransferLimits = PATIENCE,
    free: FreeBytes = free_bytes,
) -> list[Outcome]:
    """See that every file is there with the right contents; one outcome a model, in their order.

    A file that fails does not stop the others. ``jobs``: files fetched at a time. ``replace``: a file of that name
    with other contents is overwritten rather than reported. ``free`` tells the room on a disk. Raises ``PullFailed``
    before anything is fetched where the disk has too little room, and ``KeyboardInterrupt`` on Ctrl-C.
    """
    return anyio.run(_Pull(places, sites, hear, jobs, replace, patience, free).run, models)


def is_right(path: Path, model: ListedModel) -> bool:
    """Whether the file has the manifest's contents. An unchanged file is hashed once, whoever asks."""
    if path.stat().st_size != model.size_bytes:
        return False
    found = remembered_hash(path)
    if found is None:
        found = hash_of(path)
        remember_hash(path, found)
    return found == model.sha256.lower()


@dataclass
class _Pull:
    places: Places
    sites: Sites
    hear: Listener
    jobs: int
    replace: bool
    patience: TransferLimits
    free: FreeBytes
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def run(self, models: Sequence[ListedModel]) -> list[Outcome]:
        limit = anyio.CapacityLimiter(self.jobs)
        async with anyio.create_task_group() as group:
            for model in models:
                group.start_soon(self._look, model, limit)
        missing = [model for model in models if model.label not in self.outcomes]
        wanted = [
            (target.parent, _bytes_to_come(model, target)) for model in missing for target in [self._target(model)]
        ]
        self.hear(Planned(len(missing), sum(size for _, size in wanted)))
        check_space(wanted, self.free)
        async with http_client(self.patience, self.jobs) as client:
            transfer = Transfer(client, self.sites, self.patience, self.hear)
            async with anyio.create_task_group() as group:
                for model in missing:
                    group.start_soon(self._bring, model, transfer, limit)
        return [self.outcomes[model.label] for model in models]

    async def _look(self, model: ListedModel, limit: anyio.CapacityLimiter) -> None:
        """Settle the models whose file is here."""
        try:
            path = self.places.find(model)
            if path is None:
                return
            if await anyio.to_thread.run_sync(is_right, path, model, limiter=limit):
                self._settle(Arrived(model, path, fetched=False))
            elif not self.replace:
                message = f"{model.label}: {path} is here with other contents"
                remedy = "give --replace to overwrite it, or list it under another name"
                self._settle(Failed(model, PullFailed("differs", message, remedy=remedy)))
        except OSError as error:
            self._settle(Failed(model, from_os_error(error, model.label)))

    async def _bring(self, model: ListedModel, transfer: Transfer, limit: anyio.CapacityLimiter) -> None:
        async with limit:
            try:
                self._settle(await self._fetch(model, transfer))
            except PullFailed as error:
                self._settle(Failed(model, error))
            except OSError as error:
                self._settle(Failed(model, from_os_error(error, model.label)))

    async def _fetch(self, model: ListedModel, transfer: Transfer) -> Arrived:
        target = self._target(model)
        lock = await self._locked(model, target)
        try:
            if target.is_file() and await anyio.to_thread.run_sync(is_right, target, model):
                return Arrived(model, target, fetched=False)  # by the process that had the lock before
            part = await anyio.to_thread.run_sync(PartialFile, target)
            try:
                return Arrived(model, await self._complete(model, part, transfer), fetched=True)
            finally:
                part.close()
        finally:
            lock.release()

    async def _complete(self, model: ListedModel, part: PartialFile, transfer: Transfer) -> Path:
        self.hear(Started(model, part.size_bytes))
        await transfer.fetch(model, part)
        if part.pieced and part.sha256 != model.sha256.lower():
            # The file may have been another one when it was begun, and the server did not notice.
            part.restart()
            await transfer.fetch(model, part)
        try:
            check_hash(model, part.sha256)
            check_type(model, part.head(HEAD_BYTES))
        except PullFailed:
            part.discard()
            raise
        return await anyio.to_thread.run_sync(part.finish)

    async def _locked(self, model: ListedModel, target: Path) -> FileLock:
        """The file's lock, which the system takes back when a process dies."""
        beside = Beside(target)
        beside.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(beside.lock)
        waiting = False
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if not waiting:
                    self.hear(Waiting(model))
                waiting = True
                await anyio.sleep(_LOCK_POLL_S)
            else:
                return lock

    def _target(self, model: ListedModel) -> Path:
        found = self.places.find(model) if self.replace else None
        return found or self.places.target(model)

    def _settle(self, outcome: Outcome) -> None:
        self.outcomes[outcome.model.label] = outcome
        self.hear(outcome)


def _bytes_to_come(model: ListedModel, target: Path) -> int:
    """How much of the file does not lie here from an earlier pull."""
    part = Beside(target).part
    return max(0, model.size_bytes - (part.stat().st_size if part.is_file() else 0))
