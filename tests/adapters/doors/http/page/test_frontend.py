"""ComfyUI's own front end in a real browser: a workflow is opened and run, its picture shown, its panels filled."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response

from tests.adapters.services import Service, picture_prompt, running, until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("comfyui_frontend_package") is None,
    reason="ComfyUI's front end is not installed (the extra 'frontend')",
)
# What ComfyUI 0.33.0 answers with 404 too: files that a user has not made yet.
MISSED_BY_COMFYUI = ("/user.css", "/api/userdata")
WAIT_MS = 60_000
# It has its classes, and has opened what it begins with.
OPEN = """() => window.app?.vueAppReady && window.app.extensionManager.workflow.activeWorkflow
    && window.app.extensionManager.spinner === false"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("front"), frontend="installed") as service:
        yield service


@pytest.fixture
def failed(front: Service, browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """The front end, opened; and what it asked for in vain."""
    page = browser.new_page(viewport={"width": 1360, "height": 800})
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    missed: list[str] = []

    def look(response: Response) -> None:
        parts = urlsplit(response.url)
        here = response.url.startswith(front.url)
        if here and response.status >= 400 and not parts.path.startswith(MISSED_BY_COMFYUI):
            missed.append(f"{response.status} {response.request.method} {parts.path}")

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", look)
    page.goto(front.url)
    page.wait_for_function(OPEN)
    yield page, missed
    page.close()
    assert errors == []


def test_a_workflow_runs_in_it_and_its_panels_are_filled(front: Service, failed: tuple[Page, list[str]]) -> None:
    page, missed = failed
    page.evaluate("prompt => window.app.loadApiJson(prompt, 'drawn')", picture_prompt(color=0x00FF00, prefix="front"))
    page.evaluate("() => window.app.queuePrompt(0)")
    with httpx.Client(base_url=front.url, timeout=30) as http:
        until(lambda: [job["status"] for job in http.get("/api/jobs").json()["jobs"]] == ["completed"])
        (job,) = http.get("/api/jobs").json()["jobs"]
        assert http.get(f"/api/jobs/{job['id']}").json()["workflow"]["extra_data"]["extra_pnginfo"]["workflow"]["nodes"]
    shown = "() => window.app.graph.nodes.some(node => node.type === 'SaveImage' && node.imgs?.length)"
    page.wait_for_function(shown)
    assert (Path(front.settings["output"]) / "front_00001_.png").is_file()
    assert missed == []
