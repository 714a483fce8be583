"""``dagfusion doctor``: what this machine has, what would be chosen, and what to do about what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from adapters.doors.cli import exits
from adapters.doors.cli.session import Options, Session
from adapters.host.models.reading import manifest_path
from adapters.service.doctor.examine import examine, overall
from adapters.service.doctor.findings import Examined, Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def show_health(options: Options, manifest: Path | None) -> None:
    """Print a line a finding. Ends the process with code 1 where something fails.

    Without ``manifest``, the environment's is taken, or ``models.yaml`` of this folder, if there is one.
    """
    settings = Session(options).settings
    path = manifest_path(manifest, settings)
    wanted = manifest or settings.manifest or path.is_file()
    around = Examined(settings, path if wanted else None)
    findings = []
    console = Console(highlight=False)
    for finding in examine(around, debug=options.debug):
        findings.append(finding)
        if not options.json:
            _print(finding, console)
    status = overall(findings)
    if options.json:
        print(json.dumps({"status": status, "findings": [asdict(finding) for finding in findings]}))
    if status == "fail":
        raise SystemExit(exits.FAILED)


def _print(finding: Finding, console: Console) -> None:
    line = Text(f"{finding.status:<4}  ", style=_STYLES[finding.status])
    line.append(f"{finding.group} {finding.name}: {finding.value}", style="default")
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(f"      -> {finding.remedy}", soft_wrap=True, markup=False)
