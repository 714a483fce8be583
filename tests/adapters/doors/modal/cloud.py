"""Modal between the containers, played in one process: calls by id, messages pickled, calls that can be cancelled."""

from __future__ import annotations

import asyncio
import pickle
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

Run = Callable[[Mapping[str, Any], str], AsyncIterator[Any]]


class Cloud:
    """``run``: the GPU container's method. Its messages go through pickle, as they do over Modal's network."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.cancelled: list[str] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def send(self, document: Mapping[str, Any]) -> Iterator[Any]:
        """``remote_gen``: raises what the container raises."""
        arrived: queue.Queue[Any] = queue.Queue()
        call_id = f"fc-{len(self._tasks)}"
        sent = pickle.loads(pickle.dumps(document))
        self._loop.call_soon_threadsafe(self._begin, call_id, sent, arrived)
        while (item := arrived.get()) is not None:
            if isinstance(item, BaseException):
                raise RuntimeError(f"the input was cancelled or failed: {item!r}")
            yield pickle.loads(item)

    def cancel(self, call_id: str) -> None:
        """``FunctionCall.cancel``."""
        self.cancelled.append(call_id)
        self._loop.call_soon_threadsafe(self._tasks[call_id].cancel)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def _begin(self, call_id: str, document: Mapping[str, Any], arrived: queue.Queue[Any]) -> None:
        self._tasks[call_id] = self._loop.create_task(self._stream(call_id, document, arrived))

    async def _stream(self, call_id: str, document: Mapping[str, Any], arrived: queue.Queue[Any]) -> None:
        end: BaseException | None = None
        try:
            async for message in self._run(document, call_id):
                arrived.put(pickle.dumps(message))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the caller is told
            end = error
        arrived.put(end)
