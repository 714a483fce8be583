"""A loopback service answers to its own names, and to no other site's pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.doors.http.serving import Web, serving


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("hosts")
    with serving(folder, public_url="https://pictures.example", cors_origins=["https://app.example"]) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8188", "[::1]:8188", "LOCALHOST", "pictures.example"])
def test_its_own_names_are_taken(web: Web, host: str) -> None:
    with web.client() as client:
        assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "["])
def test_a_name_that_was_pointed_here_is_refused(web: Web, host: str) -> None:
    with web.client() as client:
        reply = client.get("/v1/jobs", headers={"Host": host})
        assert reply.status_code == 403
        assert reply.json()["type"].endswith("host-refused")


@pytest.mark.parametrize("path", ["/v1/jobs", "/prompt", "/api/prompt"])
def test_pages_of_other_sites_are_refused(web: Web, path: str) -> None:
    with web.client() as client:
        reply = client.post(path, content=b"{}", headers={"Origin": "https://evil.example"})
        assert reply.status_code == 403
        assert "access-control-allow-origin" not in reply.headers
        for origin in ("null", "https://", "https://app.example.evil.example"):
            assert client.post(path, content=b"{}", headers={"Origin": origin}).status_code == 403


def test_a_listed_origin_may(web: Web) -> None:
    with web.client() as client:
        reply = client.get("/v1/jobs", headers={"Origin": "https://app.example"})
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "DELETE"}
        assert client.options("/v1/jobs/x", headers=asked).status_code == 200
        assert client.get("/v1/jobs", headers={"Origin": "https://pictures.example"}).status_code == 200


def test_no_origin_is_allowed_by_default(tmp_path: Path) -> None:
    with serving(tmp_path) as web, web.client() as client:
        reply = client.get("/v1/jobs", headers={"Origin": web.url})
        assert reply.status_code == 200 and "access-control-allow-origin" not in reply.headers
        assert client.get("/v1/jobs", headers={"Origin": "https://app.example"}).status_code == 403


def test_a_page_of_another_port_is_another_sites(tmp_path: Path) -> None:
    with serving(tmp_path) as web, web.client() as client:
        own = (web.url, web.url.replace("127.0.0.1", "localhost"))
        other = (f"http://127.0.0.1:{web.port + 1}", "http://localhost:3000", "http://localhost", "http://[::1]:9", "")
        for origin in own:
            assert client.get("/v1/jobs", headers={"Origin": origin}).status_code == 200, origin
        for origin in other:
            assert client.get("/v1/jobs", headers={"Origin": origin}).status_code == 403, origin
    with serving(tmp_path, cors_origins=["http://localhost:3000"]) as web, web.client() as client:
        assert client.get("/v1/jobs", headers={"Origin": "http://localhost:3000"}).status_code == 200
        assert client.get("/v1/jobs", headers={"Origin": "http://localhost:3001"}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_browsers_send_for_other_pages_without_an_origin_is_refused(web: Web, site: str) -> None:
    with web.client() as client:
        for mode, dest in (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe")):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
            for path in ("/view?filename=a.png", "/object_info", "/history", "/v1/jobs"):
                assert client.get(path, headers=headers).status_code == 403, (mode, dest, path)
            listed = client.get("/v1/jobs", headers=headers | {"Referer": "https://app.example/"})
            assert listed.status_code == 200
        posted = client.post("/prompt", json={}, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"})
        assert posted.status_code == 403


def test_links_that_are_followed_and_the_services_own_pages_work(web: Web) -> None:
    with web.client() as client:
        followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert client.get("/", headers=followed).status_code == 200
        for site in ("same-origin", "none"):
            assert client.get("/v1/jobs", headers={"Sec-Fetch-Site": site}).status_code == 200
        signed = "/v1/jobs/x/outputs/a.png?expires=1&signature=x"
        assert client.get(signed, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 404  # asked, and not there


def test_a_proxy_that_leaves_the_port_out_is_none_of_anothers(web: Web) -> None:
    with web.client() as client:
        headers = {"Host": "pictures.example", "Origin": "http://pictures.example:8080"}
        assert client.get("/v1/jobs", headers=headers).status_code == 200
