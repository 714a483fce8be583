"""Runs all examinations."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from adapters.service.doctor.findings import Examination, Examined, Finding, Status

# Module and function. They are imported one by one: a library that does not load takes down its own part, no other.
EXAMINATIONS = (
    ("machine", "machine"),
    ("devices", "devices"),
    ("attention", "attention"),
    ("software", "software"),
    ("storage", "storage"),
    ("storage", "database"),
    ("models", "models"),
)


def examine(around: Examined, *, debug: bool = False) -> Iterator[Finding]:
    """All findings, each as soon as it is made. An examination that fails gives one too, or with ``debug`` raises."""
    for module, name in EXAMINATIONS:
        try:
            examination: Examination = getattr(importlib.import_module(f"adapters.service.doctor.{module}"), name)
            yield from examination(around)
        except Exception as error:
            # Whatever breaks here is what the user wants to hear of.
            if debug:
                raise
            reason = f"could not be examined, {type(error).__name__}: {error}".splitlines()[0]
            yield Finding(module, name, "fail", reason, "`dagfusion doctor --debug` shows where it broke off")


def overall(findings: list[Finding]) -> Status:
    """The worst of them."""
    statuses = {finding.status for finding in findings}
    return "fail" if "fail" in statuses else "warn" if "warn" in statuses else "ok"
