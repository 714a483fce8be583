"""Brings the manifest's models into the volume."""

from __future__ import annotations

from collections.abc import Callable

from adapters.doors.modal.commits import Commits
from adapters.doors.modal.setup_check import SetupRow
from adapters.host.models.errors import ManifestInvalid
from adapters.host.models.events import Arrived, Event, Outcome, Retrying, Started
from adapters.host.models.places import Places
from adapters.host.models.pull import pull
from adapters.host.models.reading import read_manifest
from adapters.host.models.sites import Sites
from adapters.host.settings import Settings


def pull_into_volume(settings: Settings, commits: Commits, say: Callable[[str], None]) -> list[SetupRow]:
    """Pull, committing what has arrived now and then, so that a pull that is cut off goes on where it stopped.

    Raises ``ManifestInvalid`` where there is none, ``VolumeUnavailable``, and ``PullFailed`` where there is no room.
    """
    if settings.manifest is None:
        remedy = "deploy from a folder with a models.yaml, or name one with DAGFUSION_MANIFEST; see docs/models.md"
        raise ManifestInvalid("Modal", ["no manifest came with the app"], remedy=remedy)
    models = read_manifest(settings.manifest).models

    def hear(event: Event) -> None:
        if isinstance(event, Started):
            say(f"{event.model.label}: {event.model.size_bytes / 1e9:.2f} GB, {event.done_bytes / 1e9:.2f} GB are here")
        elif isinstance(event, Retrying):
            say(f"{event.model.label}: {event.reason}; again in {event.delay_s:.0f} s")

    with commits.work():
        outcomes = pull(models, Places.from_settings(settings), Sites.from_settings(settings), hear=hear)
    commits.now()
    return [_row(outcome) for outcome in outcomes]


def _row(outcome: Outcome) -> SetupRow:
    if isinstance(outcome, Arrived):
        return SetupRow("ok", outcome.model.label, "fetched" if outcome.fetched else "was here")
    return SetupRow("fail", outcome.model.label, outcome.error.message, outcome.error.remedy)
