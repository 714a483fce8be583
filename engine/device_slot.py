"""A run's place at the device: held from its first step until only work on files is left."""

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
    """Held inside its ``with`` block, except while :meth:`for_step` has given it up.

    ``in_progress``: what runs still make after leaving the device; the run adds its own there and waits for others'.
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
        """Run the step that makes ``key`` where it belongs: at the device, or ``aside`` if it works on files.

        ``last``: the keys of all steps that are left, if none of them is known to need the device: the next run may
        then have it. If one of them needs it after all, the place is taken again.
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
        """Wait until no run that had the device earlier is still making ``key``."""
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
