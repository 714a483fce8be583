"""How the service starts."""

from __future__ import annotations

import httpx

from tests.adapters.services import Service, picture_prompt


def test_it_answers_and_runs_jobs(service: Service, http: httpx.Client) -> None:
    assert http.get("/health").status_code == 200
    job_id = service.submit(picture_prompt(7))
    assert service.ended(job_id).state == "completed"
