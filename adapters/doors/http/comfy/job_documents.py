"""Jobs as ``/api/jobs`` tells them: one form for those that wait, run and have ended. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from adapters.doors.http.comfy.history_entry import queue_number
from adapters.service.store.records import Job, JobState

STATUSES = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_SHOWN_KINDS = frozenset({"images", "video", "audio", "3d", "text"})
_TEXT_SUFFIXES = frozenset({".txt", ".md", ".json"})
_MOST_TEXT = 1024  # characters of a text that stands for a job


def job_document(job: Job, entry: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A job in a list. ``entry``: of the history, of one that has ended. Times in ms since 1970."""
    outputs = entry["outputs"] if entry else {}
    files = list(_files(outputs))
    document = {
        "id": job.id,
        "status": STATUSES[job.state],
        "priority": queue_number(job),
        "create_time": _milliseconds(job.created_at),
        "execution_start_time": _milliseconds(job.started_at),
        "execution_end_time": _milliseconds(job.finished_at) if job.state.ended else None,
        "execution_error": _error(entry) if entry else None,
        "outputs_count": len(files),
        "previewable_outputs_count": sum(_is_shown(kind, item) for _, kind, item in files),
        "preview_output": _preview(outputs, files),
        "workflow_id": workflow_id(job),
    }
    return {name: value for name, value in document.items() if value is not None}


def whole_document(job: Job, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A job that has ended, with all that it made, what clients were told, and its workflow."""
    _, _, prompt, extra_data, _ = entry["prompt"]
    return {
        **job_document(job, entry),
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": {"prompt": prompt, "extra_data": extra_data},
    }


def workflow_id(job: Job) -> str | None:
    """The id that front ends give a workflow when they save it."""
    workflow = job.extra_pnginfo.get("workflow")
    found = workflow.get("id") if isinstance(workflow, Mapping) else None
    return found if isinstance(found, str) else None


def _files(outputs: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for node_id, shown in outputs.items():
        for kind, items in shown.items():
            if kind != "animated" and isinstance(items, list):
                yield from ((node_id, kind, item) for item in items if isinstance(item, Mapping))


def _is_text(kind: str, item: Mapping[str, Any]) -> bool:
    return kind == "text" or PurePosixPath(str(item.get("filename", ""))).suffix.lower() in _TEXT_SUFFIXES


def _is_shown(kind: str, item: Mapping[str, Any]) -> bool:
    return kind in _SHOWN_KINDS or _is_text(kind, item)


def _preview(outputs: Mapping[str, Any], files: list[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Any] | None:
    """What stands for the job: a saved picture, film or sound, else one of the temp folder, else a text."""
    shown = [{"mediaType": kind, **item, "nodeId": node} for node, kind, item in files if _is_shown(kind, item)]
    media = [item for item in shown if not _is_text(item["mediaType"], item)]
    saved = (item for item in media if item.get("type") == "output")
    return next(saved, None) or next(iter([*media, *shown]), None) or _text(outputs)


def _text(outputs: Mapping[str, Any]) -> dict[str, Any] | None:
    for node_id, shown in outputs.items():
        texts = shown.get("text")
        for text in texts if isinstance(texts, list) else ():
            if isinstance(text, str):
                cut = {"truncated": True} if len(text) > _MOST_TEXT else {}
                return {"content": text[:_MOST_TEXT], **cut, "nodeId": node_id, "mediaType": "text"}
    return None


def _error(entry: Mapping[str, Any]) -> Any:
    return next((data for kind, data in entry["status"]["messages"] if kind == "execution_error"), None)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
