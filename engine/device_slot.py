"""A run's place at the device: from its first step until what is left of it is work on files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType

from engine.context import CancelToken
from engine.device_scheduler import DeviceScheduler
from engine.in_progress import InProgress

# Waits until the run may have the device, and holds it for as long as the context is open.
Admit = Callable[[], AbstractContextManager[object]]


class DeviceSlot:
    """Held in its ``with`` block, but while :meth:`for_step` has given it up.

    ``in_progress``: where the run tells what it still makes when others have the device, and looks for what they make.
    """

    def __init__(self, admit: Admit, scheduler: DeviceScheduler, in_progress: InProgress) -> None:
        self._admit, self._scheduler, self._in_progress = admit, scheduler, in_progress
        self._held: ExitStack | None = None
        self._to_make: Sequence[str] = ()

    def __enter__(self) -> DeviceSlot:
        self._take()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave(())
        self._in_progress.remove(self, self._to_make)

    @property
    def held(self) -> bool:
        """Whether the run has the device."""
        return self._held is not None

    @contextmanager
    def for_step(self, key: str, *, aside: bool, last: Sequence[str]) -> Iterator[None]:
        """Where a step belongs that makes ``key``: at the device, or ``aside`` where it works on files.

        ``last``: keys of all that is left, where nothing of it is known to need the device, so that the next run may
        have it from now on. Where something needs it after all, the place is taken again.
        """
        if not aside:
            self._take()
        elif last:
            self._leave(last)
        with self._scheduler.aside() if aside and self.held else nullcontext():
            yield
        if not self.held:
            self._in_progress.remove(self, (key,))

    def await_others(self, key: str, cancel: CancelToken) -> None:
        """Until no run that had the device before is still making ``key``."""
        self._in_progress.wait(self, key, cancel)

    def _take(self) -> None:
        if self.held:
            return
        # Whoever has the device may be waiting for what this run was to make.
        self._in_progress.remove(self, self._to_make)
        with ExitStack() as entered:
            entered.enter_context(self._admit())
            self._held = entered.pop_all()

    def _leave(self, last: Sequence[str]) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._to_make = last
            self._in_progress.add(self, last)
            held.close()
