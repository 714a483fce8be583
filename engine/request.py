"""What a client sent with its workflow. It belongs to the run alone: no cached value holds any of it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from engine.workflow import Workflow


class Request:
    """The whole workflow as its client sent it, and what else is to be written into files (the UI form, for one)."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self.extra_pnginfo: Mapping[str, Any] = workflow.extra_pnginfo
        self.token = secrets.token_hex(3)
        """Names files that get no name of their own: those of other runs may still be looked at."""

    @cached_property
    def prompt(self) -> Mapping[str, Any]:
        """In API form."""
        return self._workflow.as_prompt()

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """What files carry, as JSON by keyword: ``prompt``, ``workflow`` and whatever else the client sent."""
        texts = {"prompt": json.dumps(self.prompt)} if self.prompt else {}
        return texts | {key: json.dumps(value) for key, value in self.extra_pnginfo.items()}

    @cached_property
    def digest(self) -> str:
        """The same for the same texts."""
        document = json.dumps(sorted(self.texts.items()))
        return hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
