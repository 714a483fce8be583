"""Gallery, queue, head and API keys: the page over a service whose worker the test plays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from adapters.service.store.records import Output
from tests.adapters.doors.http.page.conftest import opened
from tests.adapters.doors.http.serving import Web, serving

KEY = "a-key-of-the-operator"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> & <b>bold</b>"


def prompted(text: str, seed: int = 1) -> dict[str, Any]:
    """A workflow that only has to be read."""
    sampled = {"positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "model": ["1", 0], "seed": seed}
    sampled |= {"steps": 2, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}},
        "3": {
            "class_type": "CLIPTextEncode",
            "inputs": {"text": "a longer text of what is not wanted" * 9, "clip": ["1", 1]},
        },
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": sampled},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
    }


def png(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), color).save(file, "PNG")
    return file.getvalue()


def film(folder: Path, name: str, codec: str, pixels: str) -> bytes:
    path = folder / name
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for level in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level * 20, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def sound(folder: Path, name: str, codec: str, sample_format: str) -> bytes:
    path = folder / name
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=48_000, layout="mono")
        samples = np.sin(np.arange(48_000, dtype=np.float32) / 20)[None]
        whole = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        whole.sample_rate = 48_000
        for frame in av.AudioResampler(sample_format, "mono", 48_000, stream.codec_context.frame_size or None).resample(
            whole
        ):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("gallery"), api_keys=KEY) as running:
        yield running


def make(web: Web, workflow: dict[str, Any], *outputs: Output) -> str:
    with web.client(headers={"X-API-Key": KEY}) as client:
        reply = client.post("/v1/jobs", json={"workflow": workflow})
        assert reply.status_code == 202, reply.text
        if outputs:
            web.complete(web.claim(), outputs)
        return str(reply.json()["id"])


@pytest.fixture
def page(browser: Browser, web: Web) -> Iterator[Page]:
    """The page, with the key given as somebody would. Leaves an empty queue behind."""
    with opened(browser, web.url, viewport={"width": 1280, "height": 900}) as page:
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Use", exact=True).click()
        expect(page.get_by_label("API key")).to_have_count(0)
        yield page
    with web.client(headers={"X-API-Key": KEY}) as client:
        for job in client.get("/v1/jobs?state=queued").json()["jobs"]:
            client.delete(f"/v1/jobs/{job['id']}")


def card(page: Page, job_id: str) -> Any:
    return page.locator(f"[data-job='{job_id}']")


def test_a_result_stands_with_its_picture_prompt_and_time_and_is_shown_large(page: Page, web: Web) -> None:
    first = make(web, prompted("a small boat"), web.made("a.png", png("red"), "image/png"))
    second = make(web, prompted("two birds"), *(web.made(f"{n}.png", png("blue"), "image/png") for n in "bc"))
    expect(card(page, first).get_by_text("a small boat")).to_be_visible()  # it came while the page was open
    expect(card(page, first).locator("time")).to_be_visible()
    expect(card(page, second).locator(".badge")).to_have_text("2")
    card(page, second).get_by_role("button", name="Show large").click()
    large = page.get_by_role("dialog")
    expect(large.get_by_role("img")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(large.get_by_role("img", name="a small boat (a.png)")).to_be_visible()
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_the_same_again_with_another_seed(page: Page, web: Web) -> None:
    job_id = make(web, prompted("seeded", seed=77), web.made("a.png", png("red"), "image/png"))
    card(page, job_id).get_by_role("button", name="Same with another seed").click()
    expect(page.get_by_role("region", name="Queue").get_by_text("seeded")).to_be_visible()
    with web.client(headers={"X-API-Key": KEY}) as client:
        (again,) = client.get("/v1/jobs?state=queued").json()["jobs"]
        workflow = client.get(f"/v1/jobs/{again['id']}/workflow").json()
    seed = workflow["5"]["inputs"].pop("seed")
    wanted = prompted("seeded")
    del wanted["5"]["inputs"]["seed"]
    assert workflow == wanted and seed != 77


def test_who_waits_has_a_place_and_is_cancelled(page: Page, web: Web) -> None:
    ids = [make(web, prompted(f"waiting {number}")) for number in range(3)]
    queue = page.get_by_role("region", name="Queue")
    rows = queue.get_by_role("listitem")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("waiting 0")
    expect(rows.nth(0)).to_contain_text("next")
    expect(rows.nth(2)).to_contain_text("place 3")
    queue.get_by_role("button", name=f"Cancel job {ids[1][:8]}").click()
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("place 2")


def test_words_of_users_are_shown_as_words(page: Page, web: Web) -> None:
    made = [
        web.made("<i>name</i>.png", png("red"), "image/png"),
        Output(name="text", node_id="2", class_type="PreviewAny", kind="text", cached=False, data=HOSTILE),
    ]
    job_id = make(web, prompted(HOSTILE), *made)
    expect(card(page, job_id).locator("p.title")).to_have_text(HOSTILE)
    card(page, job_id).get_by_role("button", name="Show large").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text(HOSTILE)
    expect(page.get_by_role("dialog").locator(".words")).to_have_text(HOSTILE)
    page.keyboard.press("Escape")
    card(page, job_id).get_by_role("button", name="Use this workflow again").click()
    expect(page.get_by_label("CLIPTextEncode: text").first).to_have_value(HOSTILE)
    expect(page).to_have_title("dagfusion")
    assert page.locator("b, i, img[src=x]").count() == 0


def test_films_and_sound_play_and_what_no_browser_plays_is_downloaded(page: Page, web: Web, tmp_path: Path) -> None:
    films = [("a.mp4", "libx264", "yuv420p", "video/mp4"), ("a.webm", "libvpx-vp9", "yuv420p", "video/webm")]
    sounds = [("a.mp3", "libmp3lame", "s16p", "audio/mpeg"), ("a.flac", "flac", "s16", "audio/flac")]
    sounds.append(("a.ogg", "libopus", "flt", "audio/ogg"))
    made = [web.made(name, film(tmp_path, name, codec, pixels), kind) for name, codec, pixels, kind in films]
    made += [web.made(name, sound(tmp_path, name, codec, form), kind) for name, codec, form, kind in sounds]
    made.append(web.made("a.mov", film(tmp_path, "a.mov", "prores_ks", "yuv422p10le"), "video/quicktime"))
    made.append(web.made("a.mkv", film(tmp_path, "a.mkv", "ffv1", "yuv420p"), "video/x-matroska"))
    job_id = make(web, prompted("films"), *made)
    card(page, job_id).get_by_role("button", name="Use this workflow again").click()
    media = page.locator(".outputs :is(video, audio)")
    expect(media).to_have_count(5)
    for medium in media.all():
        length_s = medium.evaluate(
            "m => new Promise(done => m.readyState ? done(m.duration) : m.onloadedmetadata = () => done(m.duration))"
        )
        assert length_s == pytest.approx(1, abs=0.15)
    for medium in media.all():
        medium.evaluate("m => { m.muted = true; m.onplaying = () => { m.dataset.played = 1; }; return m.play(); }")
    expect(page.locator(".outputs [data-played]")).to_have_count(5)
    for name in ("a.mov", "a.mkv"):
        link = page.locator(".saved").get_by_role("link", name=f"Download {name}")
        with page.expect_download() as download:
            link.click()
        assert download.value.path().read_bytes() == (tmp_path / name).read_bytes()


def test_a_front_end_is_linked_where_the_service_says_that_it_serves_one(page: Page) -> None:
    link = page.get_by_role("link", name="Graph editor")
    expect(link).to_have_count(0)
    for path, shown in (("//elsewhere.example/", 0), ("javascript:alert(1)", 0), ("/editor/", 1)):
        answer = {"json": {"frontend": path}}
        page.route("**/features", lambda route, _request, answer=answer: route.fulfill(**answer))
        with page.expect_response("**/features"):
            page.reload()
        expect(link).to_have_count(shown)
    expect(link).to_have_attribute("href", "/editor/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_system_until_somebody_chooses(browser: Browser, web: Web, scheme: Any) -> None:
    def paper_is_dark() -> bool:
        shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(str(shown).partition("(")[2].split(",")[0]) < 128

    with opened(browser, web.url, color_scheme=scheme) as page:
        assert paper_is_dark() is (scheme == "dark")
        page.get_by_role("button", name="Colours: as the system").click()
        page.get_by_role("button", name="Colours: dark").wait_for()
        assert paper_is_dark()
        page.reload()
        page.get_by_role("button", name="Colours: dark").click()
        page.get_by_role("button", name="Colours: light").wait_for()
        assert not paper_is_dark()


def test_what_ends_while_the_page_opens_is_shown(page: Page, web: Web) -> None:
    ids: list[str] = []

    def late(route: Route) -> None:
        response = route.fetch()
        ids.append(make(web, prompted("meanwhile"), web.made("a.png", png("red"), "image/png")))
        route.fulfill(response=response)

    page.route("**/v1/jobs?*", late, times=1)
    page.reload()
    expect(page.get_by_role("region", name="Gallery").get_by_text("meanwhile")).to_be_visible()
    expect(card(page, ids[0])).to_be_visible()


@pytest.mark.parametrize("path", ["/page", "/page/", "/page/index.html"])
def test_beside_a_front_end_the_page_works_and_links_to_it(browser: Browser, tmp_path: Path, path: str) -> None:
    (tmp_path / "front").mkdir()
    (tmp_path / "front" / "index.html").write_text("<title>another front end</title>")
    with serving(tmp_path, frontend=str(tmp_path / "front")) as web, opened(browser, web.url + path) as page:
        expect(page.get_by_role("combobox", name="Model", exact=True)).to_contain_text("tiny (default)")
        page.get_by_role("link", name="Graph editor").click()
        expect(page).to_have_title("another front end")


def test_an_answer_to_no_key_that_comes_after_the_key_asks_for_none(browser: Browser, web: Web) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "authorization" in route.request.headers:
            route.continue_()
        else:
            held.append(route)

    page = browser.new_page()
    page.set_default_timeout(30_000)
    page.route("**/v1/nodes", hold)
    page.goto(web.url)
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_label("API key")).to_have_count(0)
    while not held:
        page.wait_for_timeout(50)
    with page.expect_response(lambda reply: reply.url.endswith("/v1/nodes") and reply.status == 200):
        held[0].continue_()
    expect(page.get_by_label("API key")).to_have_count(0)
    page.close()
