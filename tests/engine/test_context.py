"""What a running node tells of itself."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from engine.context import Context
from engine.events import Event, EventLog, NodeNote, NodePreview, NodeProgress
from engine.folders import Folders


@pytest.mark.parametrize(("step_s", "previewed"), [(0.025, [1, 5, 9, 10]), (0.2, list(range(1, 11)))])
def test_previews_are_made_ten_times_a_second_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, step_s: float, previewed: list[int]
) -> None:
    events: list[Event] = []
    models: Any = None
    ctx = Context(Folders(), models, log=EventLog(events.append), previews=True)
    made: list[int] = []

    def preview(step: int) -> Any:
        made.append(step)
        return step

    for step in range(1, 11):
        monkeypatch.setattr(time, "monotonic", partial(float, step * step_s))
        ctx.progress(step, 10, preview=partial(preview, step))
    assert made == previewed
    assert [event.picture for event in events if isinstance(event, NodePreview)] == previewed
    assert len([event for event in events if isinstance(event, NodeProgress)]) == 10, "progress is told at each step"


def test_a_note_is_told_to_whoever_watches() -> None:
    events: list[Event] = []
    models: Any = None
    ctx = Context(Folders(), models, node_id="3", class_type="LoadVideo", log=EventLog(events.append))
    ctx.note("a packet was left out")
    assert [(event.node_id, event.class_type, event.message) for event in events if isinstance(event, NodeNote)] == [
        ("3", "LoadVideo", "a packet was left out")
    ]
