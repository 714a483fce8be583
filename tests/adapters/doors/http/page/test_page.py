"""The page as somebody uses it: open a workflow, edit it, run it, watch it, look at what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.adapters.services import Service, endless_prompt, picture_prompt


def open_workflow(page: Page, tmp_path: Path, workflow: dict[str, Any]) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow))
    page.get_by_label("workflow file").set_input_files(file)


def states(page: Page) -> dict[str, str]:
    found: dict[str, str] = page.locator("[data-node]").evaluate_all(
        "nodes => Object.fromEntries(nodes.map(node => [node.dataset.node, node.dataset.state]))"
    )
    return found


def test_a_workflow_is_edited_run_and_shown(page: Page, tmp_path: Path) -> None:
    workflow = picture_prompt(color=0xFF0000, prefix="page")
    workflow["2"]["_meta"] = {"title": "Keep it"}
    open_workflow(page, tmp_path, workflow)
    expect(page.get_by_role("img", name="Keep it, node 2")).to_be_visible()
    page.get_by_text("All other inputs").click()
    page.get_by_label("EmptyImage: color").fill(str(0x0000FF))
    page.get_by_role("button", name="Run", exact=True).click()
    picture = page.get_by_role("img", name="2_images_0.png")
    picture.wait_for()
    expect(page.get_by_role("status")).to_have_text("completed")
    assert set(states(page).values()) <= {"done", "cached"}
    colour = picture.evaluate(
        """picture => picture.decode().then(() => {
            const canvas = document.createElement("canvas");
            const paper = canvas.getContext("2d");
            paper.drawImage(picture, 0, 0);
            return [...paper.getImageData(3, 3, 1, 1).data];
        })"""
    )
    assert colour == [0, 0, 255, 255]


def test_an_example_is_opened_and_run_with_its_picture(page: Page) -> None:
    page.get_by_role("tab", name="Workflow").click()
    examples = page.locator(".examples")
    expect(examples.get_by_role("button", name="text to image")).to_be_visible()
    expect(examples.get_by_role("button", name="sdxl base refiner")).to_have_count(0)
    examples.get_by_role("button", name="upscale").click()
    expect(page.get_by_text("now: example.png")).to_have_count(0)
    expect(page.get_by_text("example.png", exact=True)).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("completed")
    expect(page.locator(".outputs img")).to_have_count(1)
    expect(examples.get_by_role("button", name="text to image")).to_be_hidden()  # until somebody asks for them


def test_a_long_graph_keeps_its_size_and_scrolls(page: Page, tmp_path: Path) -> None:
    chain: dict[str, Any] = picture_prompt()
    for number in range(3, 30):
        chain[str(number)] = {"class_type": "ImageInvert", "inputs": {"image": [chain["2"]["inputs"]["images"][0], 0]}}
        chain["2"]["inputs"]["images"] = [str(number), 0]
    for width_px in (1360, 390):
        page.set_viewport_size({"width": width_px, "height": 800})
        open_workflow(page, tmp_path, chain)
        node = page.get_by_role("img", name="SaveImage, node 2")
        node.wait_for()
        assert node.locator("rect").first.bounding_box()["width"] > 100  # type: ignore[index]
        assert page.locator(".graph").evaluate("graph => graph.scrollWidth > graph.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px


def test_a_run_is_found_again_in_the_gallery_with_its_workflow(page: Page, service: Service) -> None:
    job_id = service.submit(picture_prompt(color=7, prefix="history"))
    service.ended(job_id)
    page.reload()
    card = page.locator(f"[data-job='{job_id}']")
    card.get_by_role("button", name="Use this workflow again").click()
    page.get_by_role("img", name="2_images_0.png").wait_for()
    page.get_by_role("tab", name="Workflow", selected=True).wait_for()
    assert set(states(page)) == {"1", "2"}


def test_what_is_wrong_is_shown_at_the_input_and_in_the_graph(page: Page, tmp_path: Path) -> None:
    workflow = picture_prompt()
    workflow["1"]["inputs"]["width"] = 0
    open_workflow(page, tmp_path, workflow)
    page.get_by_text("All other inputs").click()
    expect(page.locator(".field.bad .problem")).to_contain_text("0")
    expect(page.get_by_role("img", name="EmptyImage, node 1, has a problem")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("node 1 (EmptyImage)")


def test_a_file_that_is_no_workflow_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    file.write_text("not JSON")
    page.get_by_label("workflow file").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("notes.json is neither JSON nor a picture")


def test_a_picture_that_carries_a_workflow_opens_it(page: Page, service: Service) -> None:
    job_id = service.submit(picture_prompt(color=99, prefix="carrier"))
    service.ended(job_id)
    (output,) = service.store.jobs.outputs(job_id)
    saved = Path(service.settings["output"], output.subfolder or "", output.filename or "")
    page.get_by_label("workflow file").set_input_files(saved)
    expect(page.get_by_role("img", name="SaveImage, node 2")).to_be_visible()
    page.get_by_text("All other inputs").click()
    expect(page.get_by_label("EmptyImage: color")).to_have_value("99")


def test_a_chosen_picture_is_sent_along(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (0, 255, 0)).save(tmp_path / "mine.png")
    workflow = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "none.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "sent"}},
    }
    open_workflow(page, tmp_path, workflow)
    page.get_by_label("LoadImage: image").set_input_files(tmp_path / "mine.png")
    page.get_by_role("button", name="Run", exact=True).click()
    picture = page.get_by_role("img", name="2_images_0.png")
    picture.wait_for()
    assert picture.evaluate(
        "picture => picture.decode().then(() => [picture.naturalWidth, picture.naturalHeight])"
    ) == [
        20,
        10,
    ]


def test_a_running_job_is_cancelled(page: Page, tmp_path: Path) -> None:
    open_workflow(page, tmp_path, endless_prompt(3))
    page.get_by_role("button", name="Run", exact=True).click()
    mine = page.get_by_role("region", name="Queue").locator("li.shown")
    mine.get_by_role("button", name="Cancel job").wait_for()
    for width_px in (1360, 1100, 390):
        page.set_viewport_size({"width": width_px, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px, "nothing is wider than the window"
    page.get_by_role("region", name="run", exact=True).get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("cancelled")


def test_every_control_has_a_name_and_works_by_keyboard(page: Page, tmp_path: Path) -> None:
    open_workflow(page, tmp_path, picture_prompt())
    page.get_by_text("All other inputs").click()
    page.locator("summary").evaluate_all("all => all.forEach(one => { one.parentElement.open = true; })")
    nameless = page.locator("button, input, select, textarea").evaluate_all(
        "controls => controls.filter(c => !(c.labels?.length || c.ariaLabel || c.textContent.trim())).length"
    )
    assert nameless == 0
    page.get_by_role("tab", name="Workflow").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Prompt", selected=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("img", name="2_images_0.png").wait_for()


def test_the_page_about_the_api_shows_its_routes(page: Page, service: Service) -> None:
    page.get_by_role("link", name="API").click()
    expect(page.get_by_role("heading", name="dagfusion")).to_be_visible()
    expect(page.get_by_text("/v1/jobs", exact=True).first).to_be_visible()


@pytest.mark.parametrize("path", ["/page/../settings.py", "/page/%2e%2e/__init__.py", "/page//etc/passwd"])
def test_only_the_pages_own_files_are_served(service: Service, path: str) -> None:
    import http.client

    host, port = service.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()
