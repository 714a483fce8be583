"""Jobs as ComfyUI writes them: the tuple of the queue, and the entry of the history. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.doors.http.comfy.messages import Conversation, Message
from adapters.service.store.records import Job, JobState, StoredEvent
from engine.schema import NodeSpec


def queue_item(job: Job, registry: Mapping[str, NodeSpec]) -> list[Any]:
    """``[number, prompt id, prompt, extra data, outputs to execute]``."""
    return [queue_number(job), job.id, job.prompt, _extra_data(job), _outputs_to_execute(job, registry)]


def queue_number(job: Job) -> int | float:
    """What orders jobs, smaller first; ComfyUI counts in whole numbers."""
    return int(job.rank) if job.rank.is_integer() else job.rank


def history_entry(job: Job, events: Iterable[StoredEvent], registry: Mapping[str, NodeSpec]) -> dict[str, Any]:
    """``prompt``, ``outputs``, ``status`` and ``meta`` of a job that has ended, from its events."""
    conversation = Conversation(job, live=False)
    messages: list[Message] = []
    for event in events:
        if event.kind == "started":
            messages.clear()  # What a worker that was lost had told.
        messages += [sent for sent in conversation.take(event) if isinstance(sent, Message) and sent.recorded]
    done = job.state is JobState.COMPLETED
    return {
        "prompt": queue_item(job, registry),
        "outputs": conversation.outputs,
        "status": {
            "status_str": "success" if done else "error",
            "completed": done,
            "messages": [[message.type, message.data] for message in messages],
        },
        "meta": conversation.meta,
    }


def _extra_data(job: Job) -> dict[str, Any]:
    extra = dict(job.options.get("extra_data") or {})
    if job.extra_pnginfo:
        extra["extra_pnginfo"] = job.extra_pnginfo
    if job.client_id is not None:
        extra["client_id"] = job.client_id
    return extra


def _outputs_to_execute(job: Job, registry: Mapping[str, NodeSpec]) -> list[str]:
    if job.targets is not None:
        return list(job.targets)
    return [i for i, node in job.prompt.items() if _is_output(registry.get(str(node.get("class_type"))))]


def _is_output(spec: NodeSpec | None) -> bool:
    return spec is not None and spec.output_node
