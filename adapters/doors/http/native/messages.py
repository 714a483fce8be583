"""What webhook messages say of a job's outputs: links, and small files themselves, put in when a message is sent."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from adapters.doors.http.native.output_documents import HOUR_S, OutputDocument, Terms, documents_on
from adapters.doors.http.services import Services
from adapters.service.store.records import Delivery, Job
from engine.errors import DagfusionError


def whole_body(now: Services, delivery: Delivery) -> str:
    """The message's JSON; where it tells of a job's end, with the outputs as ``GET /v1/jobs/{id}`` shows them.

    Sent again it is the same text, unless its links are half through their time: then they are new ones. Reads the
    database and files.
    """
    job = now.store.jobs.get(delivery.job_id)
    if job is None or delivery.event == "progress":
        return delivery.body
    body = json.loads(delivery.body)
    documents = _outputs(job, now, _links_since(delivery.created_at, now))
    body["data"]["outputs"] = [document.model_dump(mode="json") for document in documents]
    return json.dumps(body, ensure_ascii=False)


def _links_since(created_at: float, now: Services) -> float:
    half_s = now.settings.link_hours * HOUR_S / 2
    return created_at if time.time() < created_at + half_s else time.time()


def _outputs(job: Job, now: Services, since: float) -> list[OutputDocument]:
    """With links alone where a file cannot be read: whoever follows them hears why."""
    settings = now.settings
    address = settings.public_url or ("" if job.webhook is None else job.webhook.links_at)
    most_bytes = settings.webhook_inline_kib * 1024 or -1
    terms = Terms(most_bytes, settings.inline_limit_kib * 1024, address, since)
    try:
        return documents_on(terms, job, now)
    except DagfusionError:
        return documents_on(replace(terms, most_bytes=-1), job, now)
