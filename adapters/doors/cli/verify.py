"""``dagfusion models verify``: a manifest's files are read and compared with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

from adapters.doors.cli import exits
from adapters.doors.cli.models import verdict_document
from adapters.doors.cli.session import Options, Session
from adapters.host.models.places import Places
from adapters.host.models.reading import manifest_path, read_manifest
from adapters.host.models.verify import REMEDIES, FileCheck, verify
from engine.counted import counted


def verify_models(given: Path | None, options: Options, when: Literal["build", "start", "all"]) -> None:
    """Hash the files and print a line each. Ends the process with code 1 where one is not what it must be."""
    settings = Session(options).settings
    models = read_manifest(manifest_path(given, settings)).chosen(when)
    heard = None if options.json else _print_verdict
    verdicts = verify(models, Places.from_settings(settings), heard=heard)
    wrong = sum(verdict.state != "ok" for verdict in verdicts)
    if options.json:
        print(json.dumps([verdict_document(verdict) for verdict in verdicts]))
    else:
        print(f"{counted(len(verdicts), 'file')}: {len(verdicts) - wrong} are right, {wrong} are not")
    if wrong:
        raise SystemExit(exits.FAILED)


def _print_verdict(verdict: FileCheck) -> None:
    where = f"  {verdict.path}" if verdict.path else ""
    remedy = f"  ({REMEDIES[verdict.state]})" if verdict.state in REMEDIES else ""
    stream = sys.stdout if verdict.state == "ok" else sys.stderr
    print(f"{verdict.state:<10}  {verdict.model.label}{where}{remedy}", file=stream, flush=True)
