"""Callers are told names of files and not where this machine has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.host.paths import hide_paths
from adapters.service.error_documents import error_document
from adapters.service.error_table import public_document
from engine.errors import DagfusionError, GraphInvalid, NodeFailed, Problem


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "[Errno 30] Read-only file system: '/tmp/out/x_00001_.png'",
            "[Errno 30] Read-only file system: 'x_00001_.png'",
        ),
        ("cannot open /usr/lib/python3/x.py, line 3", "cannot open x.py, line 3"),
        ('File "/home/me/my models/a b.safetensors", line 1', 'File "a b.safetensors", line 1'),
        ("see /v1/jobs/7/events and /upload/image", "see /v1/jobs/7/events and /upload/image"),
        ("https://host.example/tmp/a.png was asked", "https://host.example/tmp/a.png was asked"),
        ("1/2 and a/tmp/b stay; (/tmp/a/b) goes", "1/2 and a/tmp/b stay; (b) goes"),
        ("'/tmp' alone is no file's", "'/tmp' alone is no file's"),
    ],
)
def test_paths_of_this_machine_become_names(said: str, told: str) -> None:
    assert hide_paths(said) == told


def test_every_text_of_a_value_is_looked_at() -> None:
    value: Any = {"a": ["/tmp/x/y", 1, None, {"/tmp/k/l": "/tmp/m/n"}]}
    assert hide_paths(value) == {"a": ["y", 1, None, {"l": "n"}]}


def test_error_documents_have_none_and_the_command_line_has(tmp_path: Path) -> None:
    secret = tmp_path / "models" / "a.png"
    errors = [
        NodeFailed("1", "SaveImage", OSError(30, "Read-only file system", str(secret)), {"path": str(secret)}),
        GraphInvalid([Problem("x", f"'{secret}' is not there", f"put it to {secret}", "1")]),
        DagfusionError(f"{secret} is gone", remedy=f"look into {secret.parent}"),
        OSError(2, "No such file or directory", str(secret)),
    ]
    for error in errors:
        assert str(tmp_path) not in str(error_document(error))
        assert str(tmp_path) not in str(public_document(error))
    assert str(secret) in str(error_document(errors[2], paths=True))
