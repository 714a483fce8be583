"""A depot of model files, a models folder to pull into, and manifests that fit them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from adapters.host.models.document import ListedModel
from adapters.host.models.events import Event, Outcome
from adapters.host.models.places import Places
from adapters.host.models.pull import pull
from adapters.host.models.reading import parse_manifest
from adapters.host.models.sites import Site, Sites
from adapters.host.models.transfer import TransferLimits
from tests.adapters.host.models.depot import Depot, open_depot

QUICK = TransferLimits(attempts=4, delay_s=0.01, longest_s=0.02)
# For servers that fall silent: long enough for a healthy answer on a busy machine.
SILENT = TransferLimits(attempts=2, delay_s=0.01, longest_s=0.02, stall_s=4.0)


def weights(seed: int = 0, size_bytes: int = 200_000) -> bytes:
    """A safetensors file with one tensor of random bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}}).encode()
    return len(header).to_bytes(8, "little") + header + random.Random(seed).randbytes(size_bytes)


def entry(name: str, body: bytes, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A manifest's entry for a file that contains ``body``."""
    sha256 = hashlib.sha256(body).hexdigest()
    described = {"name": name, "kind": "checkpoints", "source": source, "sha256": sha256, "size_bytes": len(body)}
    return described | more


def write_manifest(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"models": list(entries)}))
    return path


@pytest.fixture
def depot() -> Iterator[Depot]:
    with open_depot() as depot:
        yield depot


class Puller:
    """Pulls from the depot into ``root``; keeps what it heard."""

    def __init__(self, depot: Depot, root: Path) -> None:
        self.depot, self.root = depot, root
        self.events: list[Event] = []
        self.token = ""

    def offer(self, name: str, body: bytes, **more: Any) -> dict[str, Any]:
        """Put a file into the depot; returns its entry."""
        self.depot.files[f"/{name}"] = body
        return entry(name, body, {"url": f"{self.depot.url}/{name}"}, **more)

    def models(self, *entries: dict[str, Any]) -> tuple[ListedModel, ...]:
        return parse_manifest({"models": list(entries)}, where="test", folder=self.root.parent).models

    def path(self, name: str) -> Path:
        return self.root / "checkpoints" / name

    @property
    def places(self) -> Places:
        return Places(self.root, {})

    def __call__(self, *entries: dict[str, Any], **options: Any) -> list[Outcome]:
        site = Site(self.depot.url, "HF_TOKEN", SecretStr(self.token))
        sites = Sites(site, Site("https://civitai.invalid", "CIVITAI_TOKEN"))
        options = {"hear": self.events.append, "patience": QUICK} | options
        return pull(self.models(*entries), self.places, sites, **options)


@pytest.fixture
def puller(depot: Depot, tmp_path: Path) -> Puller:
    return Puller(depot, tmp_path / "models")
