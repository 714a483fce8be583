"""A replica that computes: runs job documents that the API's relay sends, and tells of them as a stream of messages."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from adapters.host.gpu import check_gpu
from adapters.host.logs import set_up_logging
from adapters.host.settings import Settings
from adapters.run.direct.messages import FailedEnd
from adapters.run.direct.runner import DirectRunner, open_runner
from adapters.run.direct.tries import failure_of
from adapters.run.relay.far import Alive, FarMessage, Unable
from adapters.run.relay.pulse import EVERY_S, with_pulse
from adapters.service.error_table import row_named
from engine.collection import collect_seldom
from engine.context import CancelToken

_LAST_WORDS_S = 0.5  # for the message that tells why to leave this process
_log = logging.getLogger(__name__)


class ReplicaOfGpu:
    """``hold``: tells Serve that a model is here from now on. ``leave``: ends the process; Serve starts another one.

    What keeps it from starting is kept and told to the jobs that come, rather than raised: Serve would start it over
    and over, and jobs would wait and never hear why.
    """

    def __init__(
        self,
        settings: Settings,
        hold: Callable[[str], Awaitable[object]],
        *,
        leave: Callable[[], None] = lambda: os._exit(1),
        pulse_s: float = EVERY_S,
        pause_s: float = 2.0,
    ) -> None:
        collect_seldom()
        set_up_logging(settings.log_format, "replica")
        self._hold, self._leave, self._pulse_s = hold, leave, pulse_s
        self._leaving = False
        self._runner: DirectRunner | None = None
        self._failure = failure_of(lambda: self._open(settings), "start", pause_s)

    def _open(self, settings: Settings) -> None:
        check_gpu(settings.device, "see that the node has CUDA's driver and its Python the CUDA build of torch")
        self._runner = open_runner(settings)

    async def run(self, document: Mapping[str, Any], model: str) -> AsyncIterator[FarMessage]:
        """Run the job. ``model``: see :func:`adapters.doors.ray.models.main_model`. Raises only ``CancelledError``."""
        yield Alive()
        if self._leaving:
            await asyncio.Event().wait()  # the next replica may do better: the job is lost with this one
        runner = self._runner
        if runner is None:
            error = self._failure or {}
            yield Unable(error) if row_named(str(error.get("type"))).retry else FailedEnd(error)
            self._go("it has not started")
            return
        if model:
            await self._hold(model)
        cancel = CancelToken()
        async for message in with_pulse(runner.run(document, cancel), cancel, self._pulse_s):
            yield message
        if runner.sick is not None:
            self._go(runner.sick)

    def _go(self, reason: str) -> None:
        if not self._leaving:
            self._leaving = True
            _log.error("this replica is to be replaced: %s", reason)
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._leave)
