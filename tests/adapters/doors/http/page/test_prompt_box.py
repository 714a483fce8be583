"""The prompt box: a picture without a graph, in the words of POST /v1/generate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from tests.adapters.services import Service

EXAMPLE = Path(__file__).parents[5] / "graphs" / "input" / "example.png"


def fill(page: Page, prompt: str, **counts: int) -> None:
    """The prompt, a small size and few steps, on the embedded model."""
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_role("combobox", name="Model", exact=True).select_option("tiny.safetensors")
    page.get_by_role("combobox", name="Size", exact=True).select_option("custom")
    page.locator("summary", has_text="More").click()
    for name, value in ({"Width": 64, "Height": 96, "Steps": 2} | counts).items():
        page.get_by_role("spinbutton", name=name).fill(str(value))


def newest(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/v1/jobs?limit=1").json()["jobs"][0])


def classes(workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["class_type"]: node["inputs"] for node in workflow.values()}


def test_all_that_the_box_asks_for_is_in_the_job(page: Page, http: httpx.Client) -> None:
    fill(page, "a red circle", Seed=5, Pictures=2)
    page.get_by_role("textbox", name="Not in the picture").fill("blue")
    page.get_by_role("combobox", name="Sampler", exact=True).select_option("euler")
    page.locator("summary", has_text="LoRAs").click()
    page.get_by_role("button", name="Add a LoRA").click()
    page.get_by_role("group", name="LoRA 1").get_by_role("combobox").select_option("tiny_style.safetensors")
    page.get_by_role("group", name="LoRA 1").get_by_role("slider").fill("0.5")
    page.locator("summary", has_text="Control picture").click()
    page.get_by_label("Choose a control picture").set_input_files(EXAMPLE)
    expect(page.get_by_role("img", name="chosen: example.png")).to_be_visible()
    page.get_by_role("combobox", name="Make it of a photo by", exact=True).select_option("canny")
    page.get_by_role("combobox", name="ControlNet", exact=True).select_option("tiny_canny.safetensors")
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("completed")
    expect(page.locator(".outputs img")).to_have_count(2)
    assert page.locator(".outputs img").first.evaluate(
        "picture => picture.decode().then(() => [picture.naturalWidth, picture.naturalHeight])"
    ) == [64, 96]
    made = classes(http.get(f"/v1/jobs/{newest(http)['id']}/workflow").json())
    assert made["KSampler"]["seed"] == 5 and made["KSampler"]["steps"] == 2
    assert made["KSampler"]["sampler_name"] == "euler"
    assert made["LoraLoader"]["lora_name"] == "tiny_style.safetensors"
    assert made["LoraLoader"]["strength_model"] == 0.5
    assert "Canny" in made and made["ControlNetLoader"]["control_net_name"] == "tiny_canny.safetensors"


def test_a_picture_is_started_from_another_and_what_is_removed_is_not_sent(page: Page, http: httpx.Client) -> None:
    fill(page, "a green star")
    page.locator("summary", has_text="Control picture").click()
    page.get_by_label("Choose a control picture").set_input_files(EXAMPLE)
    page.get_by_role("button", name="Remove example.png").click()
    page.locator("summary", has_text="Start from a picture").click()
    page.get_by_label("Choose a picture to change").set_input_files(EXAMPLE)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("status")).to_have_text("completed")
    made = classes(http.get(f"/v1/jobs/{newest(http)['id']}/workflow").json())
    assert "LoadImage" in made and "ControlNetLoader" not in made


def test_the_unfinished_picture_is_shown_and_cancelled_at_every_width(page: Page) -> None:
    fill(page, "a long one", Steps=1000)
    page.get_by_role("combobox", name="Size", exact=True).select_option("")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("img", name="unfinished picture")).to_be_visible()
    for width_px in (1280, 390):
        page.set_viewport_size({"width": width_px, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    page.get_by_role("region", name="run", exact=True).get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("cancelled")


def test_a_refusal_is_told_in_words(page: Page, service: Service) -> None:
    page.route("**/v1/models", lambda route: route.fulfill(json={"checkpoints": [{"name": "gone.safetensors"}]}))
    page.goto(service.url)
    page.get_by_role("textbox", name="Prompt").fill("a red circle")
    page.get_by_role("combobox", name="Model", exact=True).select_option("gone.safetensors")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text("gone.safetensors")
