"""What of a run goes into its job's event log."""

from __future__ import annotations

from adapters.run.worker.new_events import new_event_of
from adapters.service.store.records import NewEvent
from engine.events import NodeNote, RunFinished


def test_a_node_s_note_is_an_event_of_the_job() -> None:
    note = NodeNote(node_id="3", class_type="LoadVideo", message="a packet was left out")
    data = {"node_id": "3", "class_type": "LoadVideo", "message": "a packet was left out"}
    assert new_event_of(note) == NewEvent("node_note", data)
    assert new_event_of(RunFinished(seconds=1.0)) is None
