"""Who may be at the device, in which order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from adapters.run.worker.admission import Admission
from adapters.run.worker.outline import outline
from engine.context import CancelToken
from engine.errors import Cancelled
from nodes import builtin_registry
from tests.adapters.services import until

REGISTRY = builtin_registry()


class Guests:
    """Jobs in threads, which stay until they are told to leave; ``order``: who came in.

    Whatever a test does with them, it goes on once all have done what they can.
    """

    def __init__(self, admission: Admission) -> None:
        self.admission, self.firsts = admission, 0
        self.order: list[str] = []
        self._pool = ThreadPoolExecutor(8)
        self._leave: dict[str, threading.Event] = {}
        self._left = 0

    def come(self, name: str, outline: str) -> None:
        self._leave[name] = threading.Event()
        self._pool.submit(self._stay, name, outline)
        self._settle()

    def leave(self, name: str) -> None:
        self._leave[name].set()
        self._left += 1
        self._settle()

    def __enter__(self) -> Guests:
        return self

    def __exit__(self, *_: object) -> None:
        for event in self._leave.values():
            event.set()
        self._pool.shutdown()

    def _stay(self, name: str, outline: str) -> None:
        with self.admission.place(outline, CancelToken(), self._first):
            self.order.append(name)
            self._leave[name].wait()

    def _first(self) -> None:
        self.firsts += 1

    def _settle(self) -> None:
        until(self._is_settled)

    def _is_settled(self) -> bool:
        """Everybody has arrived, who could come in has, and who was told to leave is gone."""
        admission = self.admission
        with admission._condition:
            waiting, present = admission._waiting, len(admission._present)
            everybody = len(waiting) + present + self._left == len(self._leave)
            return everybody and len(self.order) == present + self._left and not any(map(admission._is_next, waiting))


class Clock(SimpleNamespace):
    """The admission's, which stands still unless the test turns it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("adapters.run.worker.admission.time", clock)
    return clock


def test_one_after_another_by_default() -> None:
    with Guests(Admission()) as guests:
        for name in "abc":
            guests.come(name, "same")
        assert guests.order == ["a"]
        guests.leave("a")
        assert guests.order == ["a", "b"]
        guests.leave("b")
        guests.leave("c")
        assert guests.firsts == 3


def test_those_that_fit_come_in_together_up_to_a_number() -> None:
    with Guests(Admission(at_once=2)) as guests:
        for name in "abc":
            guests.come(name, "same")
        assert guests.order == ["a", "b"]
        guests.leave("a")
        assert guests.order == ["a", "b", "c"]
        assert guests.firsts == 1, "the device was never empty between"


def test_who_fits_goes_before_who_does_not_for_a_while_only(clock: Clock) -> None:
    with Guests(Admission(at_once=3, patience_s=0.3)) as guests:
        guests.come("a", "one")
        guests.come("x", "other")
        guests.come("b", "one")
        assert guests.order == ["a", "b"]
        clock.now += 0.4
        guests.come("c", "one")
        assert guests.order == ["a", "b"], "x has waited long enough"
        guests.leave("a")
        guests.leave("b")
        assert guests.order == ["a", "b", "x"]
        guests.leave("x")
        assert guests.order == ["a", "b", "x", "c"]


def test_a_job_that_waits_can_be_cancelled() -> None:
    admission, cancel = Admission(), CancelToken()
    with admission.place("a", CancelToken(), lambda: None):
        threading.Timer(0.05, cancel.cancel).start()
        with pytest.raises(Cancelled), admission.place("b", cancel, lambda: None):
            pass
    with admission.place("c", CancelToken(), lambda: None):
        assert not admission.has_room


def prompt(**changes: object) -> dict[str, object]:
    inputs: dict[str, object] = {"seed": 1, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "positive": ["2", 0]}
    inputs |= {key: value for key, value in changes.items() if key in inputs}
    return {
        "1": {"class_type": "KSampler", "inputs": inputs},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": changes.get("text", "a"), "clip": ["3", 0]}},
        "3": {"class_type": "LoadImage", "inputs": {"image": changes.get("image", "a.png")}},
        "4": {"class_type": "NobodyKnowsMe", "inputs": {"text": "kept"}},
    }


@pytest.mark.parametrize("change", [{"seed": 2}, {"cfg": 1.5}, {"text": "b"}, {"image": "b.png"}])
def test_jobs_that_differ_in_what_is_said_have_the_same_outline(change: dict[str, object]) -> None:
    assert outline(prompt(**change), REGISTRY) == outline(prompt(), REGISTRY)


@pytest.mark.parametrize("change", [{"steps": 21}, {"sampler_name": "heun"}, {"positive": ["2", 1]}])
def test_jobs_of_another_graph_or_size_have_another(change: dict[str, object]) -> None:
    assert outline(prompt(**change), REGISTRY) != outline(prompt(), REGISTRY)
