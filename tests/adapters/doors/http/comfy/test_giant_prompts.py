"""Prompts of tens of thousands of nodes with as many mistakes: checked in time that grows with their size only."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.doors.http.comfy.submission import Submission, read_submission
from adapters.host.loading import load_folders, load_registry
from adapters.host.settings import Settings
from adapters.service.errors import PromptRefused

MANY = 20_000


def submit(prompt: dict[str, Any]) -> Submission:
    settings = Settings()
    return read_submission({"prompt": prompt}, load_registry(settings), load_folders(settings), settings, "")


def test_as_many_unknown_classes_as_nodes() -> None:
    prompt = {str(number): {"class_type": f"Unknown{number}", "inputs": {}} for number in range(MANY)}
    with pytest.raises(PromptRefused) as refused:
        submit(prompt)
    assert len(refused.value.node_errors) == MANY


def test_as_many_outputs_as_nodes_before_them() -> None:
    prompt: dict[str, Any] = {"0": {"class_type": "LoadImage", "inputs": {"image": "not-there.png"}}}
    for number in range(1, MANY):
        prompt[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
        prompt[f"out{number}"] = {"class_type": "PreviewImage", "inputs": {"images": [str(number), 0]}}
    with pytest.raises(PromptRefused) as refused:
        submit(prompt)
    (broken,) = refused.value.node_errors.values()
    assert 0 < len(broken["dependent_outputs"]) < MANY


def test_a_long_chain_is_taken() -> None:
    prompt: dict[str, Any] = {
        "0": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    }
    for number in range(1, MANY):
        prompt[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}}
    prompt["out"] = {"class_type": "PreviewImage", "inputs": {"images": [str(MANY - 1), 0]}}
    assert submit(prompt).job.targets == ("out",)
