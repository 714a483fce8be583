"""``dagfusion models pull`` and ``verify``: a manifest's files are brought here, and compared with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

from adapters.cli import exits
from adapters.cli.models import places, verdict_document
from adapters.cli.pull_progress import watcher
from adapters.cli.session import Options, Session
from adapters.manifest.events import Arrived
from adapters.manifest.pull import pull
from adapters.manifest.reading import read_manifest
from adapters.manifest.sites import Sites
from adapters.manifest.verify import Verdict, verify

When = Literal["build", "start", "all"]
_REMEDIES = {
    "missing": "pull it",
    "size_wrong": "pull with --replace",
    "hash_wrong": "pull with --replace",
    "unreadable": "check the file's permissions and its disk",
}


def pull_models(path: Path, options: Options, when: When, *, jobs: int, replace: bool) -> None:
    """Bring the files here, show progress, print a line a file. Ends the process with code 1 where one is lacking."""
    session = Session(options)
    models = read_manifest(path).chosen(when)
    with watcher(json=options.json) as hear:
        outcomes = pull(
            models, places(session), Sites.from_settings(session.settings), hear=hear, jobs=jobs, replace=replace
        )
    arrived = [outcome for outcome in outcomes if isinstance(outcome, Arrived)]
    fetched = sum(outcome.fetched for outcome in arrived)
    failed = len(outcomes) - len(arrived)
    if options.json:
        counts = {"fetched": fetched, "present": len(arrived) - fetched, "failed": failed}
        print(json.dumps({"event": "Finished", **counts}))
    else:
        print(f"{len(outcomes)} files: {fetched} fetched, {len(arrived) - fetched} were here, {failed} failed")
    if failed:
        raise SystemExit(exits.FAILED)


def verify_models(path: Path, options: Options, when: When) -> None:
    """Hash the files and print a line each. Ends the process with code 1 where one is not what it must be."""
    models = read_manifest(path).chosen(when)
    heard = None if options.json else _print_verdict
    verdicts = verify(models, places(Session(options)), heard=heard)
    if options.json:
        print(json.dumps([verdict_document(verdict) for verdict in verdicts]))
    wrong = sum(verdict.state != "ok" for verdict in verdicts)
    if not options.json:
        print(f"{len(verdicts)} files: {len(verdicts) - wrong} are right, {wrong} are not")
    if wrong:
        raise SystemExit(exits.FAILED)


def _print_verdict(verdict: Verdict) -> None:
    where = f"  {verdict.path}" if verdict.path else ""
    remedy = f"  ({_REMEDIES[verdict.state]})" if verdict.state in _REMEDIES else ""
    stream = sys.stdout if verdict.state == "ok" else sys.stderr
    print(f"{verdict.state:<10}  {verdict.model.label}{where}{remedy}", file=stream, flush=True)
