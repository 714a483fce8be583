"""Errors reach machines whatever they are about: a document of one can be stored, sent and read again."""

from __future__ import annotations

import json

import pytest

from adapters.doors.cli.exits import as_document, reported
from adapters.service.error_documents import error_document
from engine.errors import DagfusionError, NodeFailed

ODD_INPUTS = {"value": float("nan"), "large": 2**20_000, "text": "half \ud800 a pair", "many": [float("inf"), 1.5]}


@pytest.mark.parametrize(
    "error",
    [
        NodeFailed("5", "ComfyNumberConvert", ValueError("nan is no finite number"), ODD_INPUTS),
        DagfusionError("'caf\udce9.png' cannot be read", remedy="rename \udce9"),
        ValueError("'caf\udce9.png'"),
    ],
)
def test_a_document_is_json_that_every_reader_takes(error: Exception) -> None:
    text = json.dumps(error_document(error), allow_nan=False, ensure_ascii=False)
    assert json.loads(text.encode()) == error_document(error)


def test_numbers_that_json_lacks_are_told_otherwise() -> None:
    inputs = error_document(NodeFailed("5", "Any", ValueError("no"), ODD_INPUTS))["inputs"]
    assert inputs == {"value": None, "large": hex(2**20_000), "text": "half ? a pair", "many": [None, 1.5]}


def test_commands_tell_what_the_service_tells(capsys: pytest.CaptureFixture[str]) -> None:
    error = NodeFailed("5", "KSampler", DagfusionError("it broke", remedy="mend it"), {"cfg": float("inf")})
    told = error_document(error)
    assert as_document(error) == {"error": told.pop("type"), **told}
    with pytest.raises(SystemExit), reported(json=True, debug=False):
        raise error
    assert "Infinity" not in capsys.readouterr().out
