"""``dagfusion models pull``: downloads a manifest's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from adapters.doors.cli import exits
from adapters.doors.cli.pull_progress import watcher
from adapters.doors.cli.session import Options, Session
from adapters.host.models.events import Arrived
from adapters.host.models.places import Places
from adapters.host.models.pull import pull
from adapters.host.models.reading import manifest_path, read_manifest
from adapters.host.models.sites import Sites
from engine.counted import counted

When = Literal["build", "start", "all"]


def pull_models(given: Path | None, options: Options, when: When, *, jobs: int, replace: bool) -> None:
    """Bring the files here, show progress, print a line a file. Ends the process with code 1 where one is lacking."""
    settings = Session(options).settings
    models = read_manifest(manifest_path(given, settings)).chosen(when)
    places, sites = Places.from_settings(settings), Sites.from_settings(settings)
    with watcher(json=options.json) as hear:
        outcomes = pull(models, places, sites, hear=hear, jobs=jobs, replace=replace)
    arrived = [outcome for outcome in outcomes if isinstance(outcome, Arrived)]
    fetched = sum(outcome.fetched for outcome in arrived)
    failed = len(outcomes) - len(arrived)
    if options.json:
        counts = {"fetched": fetched, "present": len(arrived) - fetched, "failed": failed}
        print(json.dumps({"event": "Finished", **counts}))
    else:
        print(
            f"{counted(len(outcomes), 'file')}: {fetched} fetched, {len(arrived) - fetched} were here, {failed} failed"
        )
    if failed:
        raise SystemExit(exits.FAILED)
