"""Prompts of tens of thousands of nodes with as many mistakes: checked in time that grows with their size only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.doors.http.comfy.submission import Submission, read_submission
from adapters.host.loading import load_folders, load_registry
from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.errors import PromptRefused
from adapters.service.prepare.foretelling import Bounds

MANY = 20_000


Submit = Callable[[dict[str, Any]], Submission]


@pytest.fixture
def submit(tmp_path: Path) -> Submit:
    """What the door makes of a prompt."""
    settings, blobs = Settings(), BlobStore(tmp_path / "blobs")
    registry, folders = load_registry(settings), load_folders(settings)
    return lambda prompt: read_submission(
        {"prompt": prompt}, registry, folders, blobs, settings, "", Bounds.of(settings)
    )


def test_as_many_unknown_classes_as_nodes(submit: Submit) -> None:
    prompt = {str(number): {"class_type": f"Unknown{number}", "inputs": {}} for number in range(MANY)}
    with pytest.raises(PromptRefused) as refused:
        submit(prompt)
    assert len(refused.value.node_errors) == MANY


def test_as_many_outputs_as_nodes_before_them(submit: Submit) -> None:
    prompt: dict[str, Any] = {"0": {"class_type": "LoadImage", "inputs": {"image": "not-there.png"}}}
    for number in range(1, MANY):
        prompt[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
        prompt[f"out{number}"] = {"class_type": "PreviewImage", "inputs": {"images": [str(number), 0]}}
    with pytest.raises(PromptRefused) as refused:
        submit(prompt)
    (broken,) = refused.value.node_errors.values()
    assert 0 < len(broken["dependent_outputs"]) < MANY


def test_a_long_chain_is_taken(submit: Submit) -> None:
    prompt: dict[str, Any] = {
        "0": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    }
    for number in range(1, MANY):
        prompt[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
    prompt["out"] = {"class_type": "PreviewImage", "inputs": {"images": [str(MANY - 1), 0]}}
    assert submit(prompt).job.targets == ("out",)
