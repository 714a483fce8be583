"""The model that decides where a job runs best: where it is in memory already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.service.named_models import named_models
from engine.folders import Folders
from engine.schema import NodeSpec


def main_model(prompt: Mapping[str, Any], registry: Mapping[str, NodeSpec], folders: Folders) -> str:
    """The largest of the model files that a prompt (API form) names, as ``kind/name``; empty where it names none."""
    sizes = {label: path.stat().st_size for label, path in named_models(prompt, registry, folders)}
    return max(sizes, key=lambda label: (sizes[label], label), default="")
