"""Runs the worker as this process: its logs, its signals, its end with the process that started it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from types import FrameType

from adapters.host.lifeline import PULSE_S, Pulse, on_parents_end
from adapters.host.logs import set_up_logging
from adapters.host.settings import Settings
from adapters.run.supervisor.exit_codes import WRONG_SETTING
from adapters.run.worker.worker import Worker
from engine.errors import DagfusionError

_BEATS_A_LEASE = 8
_log = logging.getLogger(__name__)


def run_worker(settings: Settings, worker_id: str | None = None, *, with_parent: bool = False) -> None:
    """Work until SIGTERM or SIGINT, which lets the jobs in hand end; a second one gives them back.

    ``with_parent``: end also when standard input is closed, which means that the supervisor is gone.
    """
    set_up_logging(settings.log_format, "worker")
    pulse = Pulse() if with_parent else None
    worker_id = worker_id or f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
    worker = Worker(settings, worker_id, tell=pulse.tell if pulse else lambda _: None)

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        if worker.starting:
            os._exit(0)  # Raised amid the import of a library, SystemExit may be lost, or come out as another error.
        if worker.draining:
            worker.stop_now()
        worker.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if pulse is not None:
        pulse.keep_beating(min(PULSE_S, settings.lease_s / _BEATS_A_LEASE))
        on_parents_end(lambda: os._exit(0) if worker.starting else worker.stop_now())
    try:
        worker.run()
    except DagfusionError as error:
        _log.error("%s", error)
        raise SystemExit(WRONG_SETTING) from None
    if worker.busy:  # A thread that does not end would keep the process.
        logging.shutdown()
        os._exit(0)
