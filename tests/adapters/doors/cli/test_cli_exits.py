"""Whatever goes wrong ends a command with one message and its exit code; a traceback only where it was asked for."""

from __future__ import annotations

import json

import pytest

from adapters.doors.cli.exits import reported
from engine.errors import Cancelled, DagfusionError, GraphInvalid, NodeFailed, Problem, WorkflowUnreadable

PROBLEM = Problem("value_smaller_than_min", "0 is smaller than 1", "allowed: 1 to 9", "5", "KSampler", "steps")
CASES = [
    (WorkflowUnreadable("it is empty"), 2, "error: it is empty"),
    (GraphInvalid([PROBLEM]), 2, "node 5 (KSampler), input 'steps': 0 is smaller than 1 (allowed: 1 to 9)"),
    (
        NodeFailed("5", "KSampler", ValueError("it broke"), {}),
        1,
        "error: node 5 (KSampler): it broke (ValueError; run it again",
    ),
    (DagfusionError("no such device", remedy="try cpu"), 1, "error: no such device (try cpu)"),
    (Cancelled(), 130, "error: the run was cancelled"),
    (KeyboardInterrupt(), 130, "error: the run was cancelled"),
    (ZeroDivisionError("division by zero"), 1, "error: ZeroDivisionError: division by zero (run it again with --debug"),
]


@pytest.mark.parametrize(("error", "code", "message"), CASES)
@pytest.mark.parametrize("debug", [False, True])
def test_every_error_is_one_message_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str, debug: bool
) -> None:
    with pytest.raises(SystemExit) as ended, reported(json=False, debug=debug):
        raise error
    assert ended.value.code == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""
    assert ("Traceback" in told.err) == debug


@pytest.mark.parametrize(("error", "code", "message"), CASES)
def test_machines_get_the_same_as_json(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as ended, reported(json=True, debug=False):
        raise error
    assert ended.value.code == code
    document = json.loads(capsys.readouterr().out)
    assert document["message"] in str(error) or document["error"] in ("DagfusionError", "Cancelled")
    if isinstance(error, GraphInvalid):
        assert document["problems"][0]["input"] == "steps"


def test_a_reader_that_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SystemExit) as ended, reported(json=False, debug=False):
        raise BrokenPipeError
    assert ended.value.code == 0
