"""Nodes that are ``async def``: their calls run beside the run's other nodes, on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING

from engine.context import CancelToken

if TYPE_CHECKING:
    from engine.node_call import NodeCall

_LOOK_FOR_CANCEL_S = 0.05


class AsyncCalls:
    """The calls of one run that have begun and were not collected yet. The loop's thread starts with the first call."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._begun: dict[str, tuple[NodeCall, Future[None]]] = {}

    @property
    def any_so_far(self) -> bool:
        """Whether any call has begun in this run."""
        return self._loop is not None

    @property
    def done(self) -> str | None:
        """A node whose call has ended, if there is one."""
        return next((node_id for node_id, (_, going) in self._begun.items() if going.done()), None)

    def call_of(self, node_id: str) -> NodeCall | None:
        """The node's call, where it has begun."""
        return self._begun[node_id][0] if node_id in self._begun else None

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._begun

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, call: NodeCall) -> None:
        """Let what the call's function returned run until it ends."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run, args=(self._loop,), name="async nodes", daemon=True)
            self._thread.start()
        going = asyncio.run_coroutine_threadsafe(call.finish(), self._loop)
        self._begun[call.node.id] = call, going

    def first_done(self, cancel: CancelToken) -> str:
        """The node whose call ends first, once one has. Raises ``Cancelled``."""
        while (done := self.done) is None:
            cancel.check()
            wait([going for _, going in self._begun.values()], _LOOK_FOR_CANCEL_S, FIRST_COMPLETED)
        return done

    def take(self, node_id: str) -> None:
        """Forget the node's call, which has ended. Raises what it raised."""
        _, going = self._begun.pop(node_id)
        going.result()

    def close(self) -> None:
        """Cancel the calls that still run, after an error or a cancelled run, and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._loop = self._thread = None
        self._begun.clear()

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        import torch

        asyncio.set_event_loop(loop)
        with torch.no_grad():
            loop.run_forever()


async def _end_tasks() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
