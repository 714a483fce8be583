"""``dagfusion convert``: a UI-form workflow in API form."""

from __future__ import annotations

import json
from pathlib import Path

from adapters.doors.cli.reading import read
from adapters.doors.cli.session import Options, Session


def convert_workflow(path: Path, options: Options) -> None:
    """Print the workflow in API form, as ``POST /prompt`` takes it."""
    print(json.dumps(read(path, Session(options).registry).as_prompt(), indent=2, ensure_ascii=False))
