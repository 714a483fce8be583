"""What LTX's files say of themselves: a JSON text in the header, for each of the networks in the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import ModelUnreadable
from nodes.diffusion.weights import WeightView


def described(view: WeightView, part: str) -> Mapping[str, Any]:
    """The description of ``part`` (``transformer``, ``vae`` ...) in the header of the file; empty where there is none.

    Raises ``ModelUnreadable`` for a text that is no JSON.
    """
    found = description(view).get(part)
    return found if isinstance(found, dict) else {}


def description(view: WeightView) -> Mapping[str, Any]:
    """All of that text; see :func:`described`."""
    try:
        config = json.loads(view.file.metadata.get("config", "{}"))
    except ValueError as error:
        raise ModelUnreadable(
            f"the header of '{view.file.path.name}' describes its networks in broken JSON",
            remedy="take the file as its authors published it",
        ) from error
    return config if isinstance(config, dict) else {}
