"""Whose files are whose: each key has folders of its own, and admins (everybody, where no keys are in use) see all."""

from __future__ import annotations

from typing import Any

from adapters.doors.http.auth import Caller
from adapters.doors.http.services import Services
from adapters.service.store.records import Job, Output
from engine.folders import OWN_FOLDERS, Folders


def folders_of(now: Services, caller: Caller) -> Folders:
    """The folders that the caller's workflows and requests read and write."""
    return now.folders.of(caller.space)


def saved_output(now: Services, caller: Caller, folder: str, subfolder: str, filename: str) -> Output | None:
    """The newest output that was saved under this name, as the caller sees names."""
    find = now.store.jobs.output_file
    found = find(folder, subfolder, filename, caller.space)
    if found is None and not caller.space:
        space, _, below = subfolder.partition("/")
        found = find(folder, below, filename, space) if space else None
    return found


def seen_by(caller: Caller, job: Job, shown: Any) -> Any:
    """What nodes of the job showed, with the places of files as the caller has them: admins, below the job's space."""
    if not job.space or caller.space:
        return shown
    if isinstance(shown, dict):
        if shown.keys() == {"filename", "subfolder", "type"} and shown["type"] in OWN_FOLDERS:
            return {**shown, "subfolder": f"{job.space}/{shown['subfolder']}".rstrip("/")}
        return {key: seen_by(caller, job, item) for key, item in shown.items()}
    return [seen_by(caller, job, item) for item in shown] if isinstance(shown, list) else shown
