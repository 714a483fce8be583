"""The API-form document."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.workflow import NodeDocument, Workflow


def test_prompt_is_the_api_form_with_titles() -> None:
    flow = Workflow(
        nodes={"1": NodeDocument(class_type="A", inputs={"x": ["2", 0]}, title="T"), "2": NodeDocument(class_type="B")}
    )
    assert flow.as_prompt() == {
        "1": {"inputs": {"x": ["2", 0]}, "class_type": "A", "_meta": {"title": "T"}},
        "2": {"inputs": {}, "class_type": "B"},
    }


def test_documents_are_frozen_and_typed() -> None:
    node = NodeDocument(class_type="A")
    with pytest.raises(ValidationError):
        node.class_type = "B"
    with pytest.raises(ValidationError):
        Workflow(nodes={"1": {"class_type": 1}})  # type: ignore[dict-item]
