"""Follows all jobs while ComfyUI clients are connected, and puts into each client's outbox what it is to be told."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import aclosing

from anyio.to_thread import run_sync
from starlette.requests import HTTPConnection

from adapters.doors.http.comfy.messages import QUEUE_KINDS, Conversation, FinalPicture, QueueChanged, StatesChanged
from adapters.doors.http.comfy.outbox import PreviewFrame, SendQueue
from adapters.doors.http.services import Services
from adapters.service.sent_pictures import SENDING_CLASSES
from adapters.service.store.records import Job, JobState, Preview, StoredEvent

_ENDS = frozenset({"completed", "failed", "cancelled"})
_RESTART_S = 1.0
_CATCH_UP_S = 5.0  # below the time that clients give a server to answer: most have 10 s
_log = logging.getLogger(__name__)

Client = tuple[str, str]  # whose key it came with, and the clientId that it chose


class Hub:
    """One for the application. It reads the event log only while somebody listens."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._outboxes: dict[Client, SendQueue] = {}
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._position = -1
        self._moved = asyncio.Event()
        self._unended: dict[str, str] = {}  # owners by job id
        self._counts: Counter[str] = Counter()  # of those, by owner
        self._conversations: dict[str, Conversation | None] = {}

    def remaining(self, owner: str | None) -> int:
        """How many jobs of the owner (or of all) wait or run, as of the newest event that was told of."""
        return len(self._unended) if owner is None else self._counts[owner]

    def outbox_of(self, client: Client) -> SendQueue | None:
        """What is to be sent to ``client``, while it is connected."""
        return self._outboxes.get(client)

    async def join(self, client: Client, outbox: SendQueue) -> None:
        """Let ``outbox`` take what is for ``client``, in place of one that arrived earlier; ``leave`` has to follow.

        Its first message is the state of now: nothing that happened before this call is missing in it, and all that
        happens later follows.
        """
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        now = await run_sync(self._services.store.events.last_position)
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                while self._position < now:
                    await self._moved.wait()
        except TimeoutError:
            _log.warning("a ComfyUI client is told the state as of event %d, not %d", self._position, now)
        newest = self._outboxes.get(client)
        if newest is None or newest.arrival < outbox.arrival:  # joining takes one longer than the other
            self._outboxes[client] = outbox
        outbox.put_status(self.remaining(outbox.owner), first=True)
        for conversation in self._of(client):
            state = conversation.executing()
            if state is not None:
                outbox.put(state)

    async def leave(self, client: Client, outbox: SendQueue) -> None:
        """Nothing more for ``outbox``."""
        if self._outboxes.get(client) is outbox:
            del self._outboxes[client]
        self._listeners -= 1
        if not self._listeners and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._position = -1

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except Exception:  # noqa: BLE001 - the database may be away for a while; clients stay connected
                _log.warning("ComfyUI clients hear nothing for a moment", exc_info=True)
                await asyncio.sleep(_RESTART_S)

    async def _follow(self) -> None:
        store = self._services.store
        position, states = await run_sync(store.jobs.unfinished)
        self._conversations = {}
        for job_id in (job_id for job_id, (state, _) in states.items() if state is JobState.RUNNING):
            await self._resume(job_id, position)
        self._unended = {job_id: owner for job_id, (_, owner) in states.items()}
        self._counts = Counter(self._unended.values())
        self._move_to(position)
        async with aclosing(self._services.tail.follow(None, position, previews=True)) as all_news:
            async for news in all_news:
                if isinstance(news, Preview):
                    self._show(news)
                    continue
                for event in news:
                    await self._take(event)
                    self._move_to(event.position)

    async def _resume(self, job_id: str, position: int) -> None:
        """Know a job that is running already as if its events up to ``position`` had been heard."""
        conversation = await self._conversation(job_id)
        if conversation is None:
            return
        number = 0
        while events := await run_sync(self._services.store.events.of_job, job_id, number):
            for event in events:
                if event.position <= position:
                    conversation.take(event)
            number = events[-1].number

    def _owner_of(self, job_id: str) -> str:
        job = self._services.store.jobs.get(job_id)
        return "" if job is None else job.owner

    async def _conversation(self, job_id: str) -> Conversation | None:
        """``None`` for jobs of which no client is told."""
        if job_id not in self._conversations:
            job: Job | None = await run_sync(self._services.store.jobs.get, job_id)
            known = job is not None and job.client_id is not None
            self._conversations[job_id] = Conversation(job) if job is not None and known else None
        return self._conversations[job_id]

    async def _take(self, event: StoredEvent) -> None:
        if event.kind in _ENDS:
            if (owner := self._unended.pop(event.job_id, None)) is not None:
                self._counts[owner] -= 1
        elif event.job_id not in self._unended:
            owner = await run_sync(self._owner_of, event.job_id)
            self._unended[event.job_id] = owner
            self._counts[owner] += 1
        if event.kind == "queued":
            self._tell_remaining()
            return
        conversation = await self._conversation(event.job_id)
        if conversation is None:
            if event.kind in QUEUE_KINDS:
                self._tell_remaining()
        else:
            self._tell(conversation, event)
        if event.kind in _ENDS:
            self._conversations.pop(event.job_id, None)

    def _tell(self, conversation: Conversation, event: StoredEvent) -> None:
        outbox = self._outboxes.get(_client_of(conversation.job))
        for sent in conversation.take(event):
            if isinstance(sent, QueueChanged):
                self._tell_remaining()
            elif outbox is None:
                continue
            elif isinstance(sent, StatesChanged):
                outbox.put_states(conversation.job.id, conversation.progress_state)
            elif isinstance(sent, FinalPicture):
                places = conversation.nodes.places(sent.node_id) | {"prompt_id": conversation.job.id}
                outbox.put(PreviewFrame(sent.file, sent.digest, places))
            else:
                outbox.put(sent)

    def _tell_remaining(self) -> None:
        for outbox in self._outboxes.values():
            outbox.put_status(self.remaining(outbox.owner))

    def _show(self, preview: Preview) -> None:
        conversation = self._conversations.get(preview.job_id)
        if conversation is None or conversation.running != preview.node_id:
            return
        if conversation.class_of(preview.node_id) in SENDING_CLASSES:
            return  # These pictures are sent whole.
        outbox = self._outboxes.get(_client_of(conversation.job))
        if outbox is not None:
            places = conversation.nodes.places(preview.node_id) | {"prompt_id": preview.job_id}
            asked = conversation.job.options.get("previews") == "all"
            outbox.show(preview.picture, preview.media_type, places, to_all=asked)

    def _of(self, client: Client) -> list[Conversation]:
        talks = [one for one in self._conversations.values() if one is not None]
        return [one for one in talks if _client_of(one.job) == client]

    def _move_to(self, position: int) -> None:
        self._position = position
        self._moved.set()
        self._moved = asyncio.Event()


def hub_of(connection: HTTPConnection, services: Services) -> Hub:
    """The application's hub, made when it is first asked for."""
    state = connection.app.state
    if not hasattr(state, "comfy_hub"):
        state.comfy_hub = Hub(services)
    found: Hub = state.comfy_hub
    return found


def _client_of(job: Job) -> Client:
    return job.owner, job.client_id or ""
