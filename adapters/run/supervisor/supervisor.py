"""``dagfusion serve``: a web process, the workers, and the maintenance of what they share."""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from adapters.host.settings import Settings
from adapters.host.threads import start_thread
from adapters.run.supervisor.child import Child, End, Start
from adapters.run.supervisor.data_folder import share
from adapters.run.supervisor.exit_codes import WRONG_SETTING
from adapters.run.supervisor.listening import listen, url_of
from engine.errors import DagfusionError

if TYPE_CHECKING:
    from adapters.service.maintenance import Maintenance
    from adapters.service.store import Store

_WEB_STOPS_WITHIN_S = 10.0
_STOPS_WITHIN_S = 10.0  # on top of the time that a worker has for its jobs
_STEADY_S = 5.0  # a web process that lived so long had worked
_FOREVER_S = 1e9
_LOOKS_S = 1.0  # for processes that have stopped to tell that they live
_SILENT_LEASES = 4  # a worker that does not tell so for so many lease times is killed
_WEB_SILENT_S = 10.0  # a web process at the earliest; its work is short
_HUNG_REMEDY = "the node holds Python's interpreter: it should do less at once, or be one that can be stopped"
_REMEDY = "the log says more; where memory runs out, the system kills who has most of it"
_log = logging.getLogger(__name__)


class Supervisor:
    """Runs until SIGTERM or SIGINT. ``environment`` is that of the children: all their settings are in it.

    ``web``, ``worker``: what Python runs for each, a module and its arguments; the descriptors of the sockets or the
    worker's id follow.
    """

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], *, web: Sequence[str], worker: Sequence[str]
    ) -> None:
        self._settings = settings
        self._web_program, self._worker_program = web, worker
        self._environment = dict(environment)
        self._listener = listen(settings.host, settings.port)
        self._listeners = [self._listener]
        if settings.port_health not in (None, settings.port):
            self._listeners.append(listen(settings.host, settings.port_health or 0))
        self._environment["DAGFUSION_PORT"] = str(self._listener.getsockname()[1])
        self._wake = threading.Event()
        self._failed = ""
        self._worked = False  # a worker was ready once
        self._children: list[Child] = []
        self._workers: list[Child] = []  # those of them that are
        self._store: Store | None = None

    def run(self) -> None:
        """Serve. Raises ``DagfusionError`` where a process says that it cannot work with these settings."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        share(self._settings.data)
        web = Child(self._web, self._environment, self._web_ended)
        self._children.append(web)
        for listener in self._listeners:
            _log.info("listening on %s", url_of(listener, self._settings.host))
        try:
            self._supervise()
        finally:
            self._stop(web)
        if self._failed:
            raise DagfusionError(f"the service stops: {self._failed}", remedy="the reason is in the lines above")

    def _supervise(self) -> None:
        from adapters.service.maintenance import Maintenance
        from adapters.service.store import Store

        # The web process has the processor for itself meanwhile, so that it answers soon.
        self._store = store = Store(self._settings.database)
        maintenance = Maintenance(store, self._settings)
        for _ in range(self._settings.workers):
            self._workers.append(Child(self._worker, self._environment, self._worker_ended))
        self._children += self._workers
        for child in self._children:
            child.keep()
        # Apart from the database: that may hang, and signals are to be heard, and silence, all the same.
        start_thread("maintenance", partial(self._maintain, maintenance))
        while not self._wake.wait(min(_LOOKS_S, self._settings.lease_s / 3)):
            self._kill_silent()

    def _maintain(self, maintenance: Maintenance) -> None:
        lease_s = self._settings.lease_s
        while not self._wake.wait(lease_s / 4):
            # Who is at work, but cannot say so, keeps its jobs until it is killed: others would fare no better.
            held = [worker.start.name for worker in self._workers if worker.holds_on(lease_s / 3)]
            maintenance.tick([name.removeprefix("worker ") for name in held])
            if not self._worked:
                self._worked = maintenance.some_worker_is_ready()

    def _web(self) -> Start:
        descriptors = tuple(listener.fileno() for listener in self._listeners)
        return Start("the web process", _python(*self._web_program, *map(str, descriptors)), descriptors)

    def _worker(self) -> Start:
        worker_id = f"{socket.gethostname()[:40]}-{secrets.token_hex(6)}"
        return Start(f"worker {worker_id}", _python(*self._worker_program, "--with-parent", "--id", worker_id))

    def _web_ended(self, _start: Start, end: End) -> bool:
        from sqlalchemy.exc import SQLAlchemyError

        from adapters.service.store.outage import reason_of

        self._notice(end.code, end.message)
        if self._store is not None:
            try:
                self._store.outbox.reclaim()
            except SQLAlchemyError as error:
                _log.warning("webhook messages on their way are sent again later: %s", reason_of(error))
        return end.lived_s >= _STEADY_S

    def _worker_ended(self, start: Start, end: End) -> bool:
        self._notice(end.code, end.message)
        return self._store is not None and self._sign_off(self._store, start.name, end)

    def _notice(self, code: int, message: str) -> None:
        """A process that cannot work with these settings, before any did, ends the service."""
        if code == WRONG_SETTING and not self._worked:
            self._failed = message
            self._leave()
            self._wake.set()

    def _leave(self) -> None:
        """From now on, who ends is not started again."""
        for child in self._children:
            child.leave()

    def _sign_off(self, store: Store, name: str, end: End) -> bool:
        """Take back the jobs of a worker that has ended; whether it had been ready for jobs."""
        from sqlalchemy.exc import SQLAlchemyError

        from adapters.service.store.outage import reason_of

        worker_id = name.removeprefix("worker ")
        try:
            reason = {"type": "WorkerLost", "message": end.message, "remedy": _HUNG_REMEDY if end.silenced else _REMEDY}
            # The node that began last is the likeliest: who hangs begins nothing more.
            ran = {what["job"]: what for what in end.told[-1:]}
            lost = store.leases.take_back(worker_id, reason, ran=ran, for_good=end.silenced)
            was_ready = any(one.id == worker_id and one.state != "starting" for one in store.workers.alive(_FOREVER_S))
            store.workers.remove(worker_id)
        except SQLAlchemyError as error:
            _log.warning("the jobs of %s come back when their leases run out: %s", name, reason_of(error))
            return False
        for job_id in lost:
            _log.warning("taken back: %s", end.message, extra={"job_id": job_id})
        return was_ready

    def _kill_silent(self) -> None:
        """Kill processes that hang as a whole, so that they are started again."""
        lease_s = self._settings.lease_s
        for child in self._children:
            limit_s = _SILENT_LEASES * lease_s if child in self._workers else max(2 * lease_s, _WEB_SILENT_S)
            child.kill_if_silent(limit_s)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self._wake.is_set():  # the second signal: whoever drains is asked again, which means at once
            for worker in self._workers:
                worker.stop()
        self._wake.set()

    def _stop(self, web: Child) -> None:
        """The web process first, so that nothing new comes in; then the workers, which may finish what they have."""
        self._leave()
        _log.info("stopping")
        for listener in self._listeners:
            listener.close()
        web.stop()
        web.wait(_WEB_STOPS_WITHIN_S)
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.wait(self._settings.drain_s + _STOPS_WITHIN_S)
        if self._store is not None:
            self._store.close()


def _python(module: str, *arguments: str) -> list[str]:
    # -P: a folder of the user's that is called like one of our packages is not imported instead of it.
    return [sys.executable, "-P", "-m", module, *arguments]
