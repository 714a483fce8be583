"""Two keys, every route (found by walking the application's) and every class that chooses or writes files: apart."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket
from fastapi.routing import APIWebSocketRoute
from PIL import Image

from adapters.service.store.records import ApiKey, Output
from engine.engine import Engine
from engine.folders import OWN_FOLDERS, Folders
from engine.inputs import FileChoice
from engine.model_store import ModelStore
from engine.types import SavedFile
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from tests.adapters.doors.http.serving import PICTURE, Web, serving

OPERATOR = "the-operators-key"
NAME = "anns-own"  # in the names of all that is hers
SECRET = "what-only-she-wrote"  # in the contents
PROMPT = PICTURE | {"3": {"class_type": "PreviewAny", "inputs": {"source": SECRET}}}
REGISTRY = builtin_registry()


@dataclass
class Tenant:
    web: Web
    key: ApiKey
    headers: dict[str, str]

    @property
    def http(self) -> httpx.Client:
        return self.web.client(headers=self.headers)

    def folder(self, kind: str) -> Path:
        return self.web.folder / kind / self.key.id


@dataclass
class Hers:
    """What ann has: ids and names that ben may have come to know."""

    ended: str
    waiting: str
    message: str
    key: str

    def values(self, parameter: str) -> list[str]:
        """For a route's parameter of this name; for one that nobody thought of, all there is."""
        known = {
            "job_id": [self.ended, self.waiting],
            "prompt_id": [self.ended, self.waiting],
            "message_id": [self.message],
            "key_id": [self.key],
            "kind": ["checkpoints"],
            "class_type": ["LoadImage"],
            "target": [f"{NAME}-moved.json"],
        }
        names = [f"{NAME}.png", f"{NAME}-output.png", f"workflows/{NAME}.json", f"{NAME}-setting", "LoadImage"]
        return known.get(parameter, [*names, self.ended])


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("tenants"), api_keys=OPERATOR, allowed_hosts=["127.0.0.1"]) as found:
        yield found


def tenant(web: Web, name: str) -> Tenant:
    key, text = web.services.store.keys.create(name, ["submit", "read"])
    return Tenant(web, key, {"X-API-Key": text})


@pytest.fixture(scope="module")
def ann(web: Web) -> Tenant:
    return tenant(web, "ann")


@pytest.fixture(scope="module")
def ben(web: Web) -> Tenant:
    return tenant(web, "ben")


def picture(color: str, text: str = SECRET) -> bytes:
    """A file that a picture's reader takes, with words in it."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue() + text.encode()


@pytest.fixture(scope="module")
def hers(ann: Tenant) -> Hers:
    with ann.http as http:
        for folder in OWN_FOLDERS:
            sent = {"image": (f"{NAME}.png", picture("red"))}
            assert http.post("/upload/image", files=sent, data={"type": folder}).is_success
        assert http.post(f"/userdata/workflows%2F{NAME}.json", content=SECRET).is_success
        assert http.post("/settings", json={f"{NAME}-setting": SECRET}).is_success
        webhook = {"url": "http://127.0.0.1:9/", "events": ["completed"]}
        made = ann.web.made(f"{NAME}-output.png", picture("red"), "image/png")
        text = Output(name="text", node_id="3", class_type="PreviewAny", kind="text", cached=False, data=SECRET)
        reply = http.post("/v1/jobs", json={"workflow": PROMPT, "webhook": webhook})
        ended = str(reply.json()["id"])
        ann.web.complete(ann.web.claim(), [made, text])
        waiting = http.post("/prompt", json={"prompt": PROMPT, "client_id": "shared"}).json()["prompt_id"]
    (message,) = ann.web.services.store.outbox.find(ended, None, 10)
    return Hers(ended, waiting, message.id, ann.key.id)


def every_route(web: Web) -> list[Any]:
    found = [getattr(router, "effective_route_contexts", lambda: ())() for router in web.app.routes]
    return [route for some in found for route in some]


def sockets(web: Web) -> list[str]:
    """Paths of all WebSockets, before which there may be a prefix."""
    routes = [route.original_route for route in every_route(web)]
    paths = {route.path for route in routes if isinstance(route, APIWebSocketRoute)}
    return [prefix + path for path in sorted(paths) for prefix in ("", "/v1", "/api")]


def routes(web: Web) -> list[tuple[str, str]]:
    """Methods and paths of all routes but the documents'. ``/api`` stands before ComfyUI's routes once more."""
    return [
        (method, route.path)
        for route in every_route(web)
        for method in sorted((route.methods or set()) - {"HEAD"})
        if not route.path.startswith("/api/")
    ]


def filled(path: str, values: Any) -> Iterator[str]:
    """The path with all values that its parameters may have."""
    names = re.findall(r"{(\w+)(?::\w+)?}", path)
    for chosen in itertools.product(*(values(name) for name in names)):
        one = path
        for value in chosen:
            one = re.sub(r"{[^}]*}", lambda _: value.replace("/", "%2F"), one, count=1)  # noqa: B023
        yield one


def queries(hers: Hers) -> list[dict[str, str]]:
    """What routes may be asked: names as ann knows them, and as they are on the disk."""
    common = {"job_id": hers.ended, "dir": "workflows", "recurse": "true", "wait": "0", "after": "0"}
    places = [
        ("", f"{NAME}.png"),
        (f"../{hers.key}", f"{NAME}.png"),
        (hers.key, f"{NAME}.png"),
        ("", f"{NAME}-output.png"),
    ]
    found = [
        common | {"filename": name, "subfolder": sub, "type": kind} for sub, name in places for kind in OWN_FOLDERS
    ]
    return [*found, common | {"filename": f"{NAME}.png [temp]", "dir": f"../{hers.key}"}]


def bodies(method: str, path: str, hers: Hers) -> list[dict[str, Any]]:
    """As arguments of the client: what may show, change or remove what is ann's."""
    if method in ("GET", "DELETE"):
        return [{}]
    load = {"1": {"class_type": "LoadImage", "inputs": {"image": f"{NAME}.png"}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}  # fmt: skip
    if path.startswith("/upload"):
        reference = json.dumps({"filename": f"{NAME}.png", "subfolder": "", "type": "input"})
        forms = [{"type": kind, "overwrite": "true", "original_ref": reference} for kind in OWN_FOLDERS]
        return [{"data": form, "files": {"image": (f"{NAME}.png", picture("blue", "bens"))}} for form in forms]
    documents: list[dict[str, Any]] = [
        {"clear": True},
        {"delete": [hers.ended, hers.waiting]},
        {"prompt_id": hers.waiting},
        {"prompt": load, "client_id": "shared", "prompt_id": hers.waiting},
        {"workflow": load},
        {"name": "more", "scopes": ["admin"]},
        {"unload_models": True, "free_memory": True},
        {"prompt": "a picture", "image": f"{NAME}.png"},
        {f"{NAME}-setting": "bens"},
    ]
    return [{"json": document} for document in documents]


def snapshot(ann: Tenant) -> dict[str, Any]:
    """All that is hers, as it is stored."""
    users = ann.web.folder / "data" / "user" / hashlib.sha256(ann.key.id.encode()).hexdigest()[:32]
    places = [*(ann.folder(kind) for kind in OWN_FOLDERS), users]
    files = {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
    jobs = ann.web.services.store.jobs.find(owner=ann.key.id)
    rows = [(job.id, job.state, job.hidden, job.cancel_requested, job.priority, job.rank) for job in jobs]
    return {"files": files, "jobs": rows, "key": ann.web.services.store.keys.find(ann.headers["X-API-Key"])}


def ask(http: httpx.Client, method: str, path: str, hers: Hers) -> Iterator[tuple[str, bytes]]:
    """Every form of the request, and its reply."""
    for one in filled(path, hers.values):
        for query in queries(hers) if method == "GET" else [{}]:
            for body in bodies(method, path, hers):
                reply = http.request(method, one, params=query, **body)
                yield f"{method} {reply.url}", reply.content


# Routes where ann herself finds her words: were there none, the walk would prove nothing.
SHOWING = {
    "/history", "/history/{prompt_id}", "/queue", "/view", "/userdata/{name:path}", "/settings", "/settings/{name}",
    "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/outputs/{name}", "/v1/jobs/{job_id}/workflow",
}  # fmt: skip
NAMING = {"/object_info", "/object_info/{name}", "/v1/nodes", "/v1/nodes/{class_type}", "/userdata"}


def test_ann_finds_her_own(web: Web, ann: Tenant, hers: Hers) -> None:
    with ann.http as http:
        found = {
            path: b"".join(content for _, content in ask(http, method, path, hers))
            for method, path in routes(web)
            if method == "GET" and path in SHOWING | NAMING
        }
        found["/v1/jobs/{job_id}/outputs/{name}"] = http.get(f"/v1/jobs/{hers.ended}/outputs/{NAME}-output.png").content
    assert {path for path, content in found.items() if SECRET.encode() in content} >= SHOWING
    assert {path for path, content in found.items() if NAME.encode() in content} >= NAMING


def test_no_route_shows_or_changes_what_is_anothers(web: Web, ann: Tenant, ben: Tenant, hers: Hers) -> None:
    before = snapshot(ann)
    assert len(before["files"]) == 5
    assert len(before["jobs"]) == 2
    wishes = web.services.store.workers.asked()
    with ben.http as http:
        for method, path in routes(web):
            for asked, content in ask(http, method, path, hers):
                assert SECRET.encode() not in content, asked
                assert snapshot(ann) == before, asked
    assert web.services.store.workers.asked() == wishes


def test_no_route_names_what_is_anothers(web: Web, hers: Hers) -> None:
    """Asked without any word of ann's, no reply has one."""
    words = (NAME, SECRET, hers.ended, hers.waiting, hers.key)
    with tenant(web, "cid").http as http:
        for method, path in routes(web):
            if method != "GET":
                continue
            for one in filled(path, lambda name: ["LoadImage" if name in ("class_type", "name") else "bens"]):
                text = http.get(one, params={"filename": "bens", "dir": ".", "recurse": "1", "job_id": "bens"}).text
                assert not [word for word in words if word in text], one


def test_no_socket_tells_of_what_is_anothers(web: Web, ben: Tenant, hers: Hers) -> None:
    opened = []
    for path in sockets(web):
        for one in filled(path, hers.values):
            url = f"{web.url.replace('http', 'ws')}{one}?clientId=shared&after=0&previews=true"
            try:
                socket = websocket.create_connection(url, timeout=60, header=ben.headers)
            except websocket.WebSocketBadStatusException as refused:
                assert refused.status_code in (403, 404), one  # noqa: PT017
                continue
            opened.append(one)
            with ben.http as http:
                his = str(http.post("/prompt", json={"prompt": PICTURE, "client_id": "shared"}).json()["prompt_id"])
            web.services.store.jobs.cancel(his)
            last = his if one.startswith("/v1") else '"queue_remaining": 0'
            told = ""
            while last not in told or ('"queue_remaining": 1' not in told and not one.startswith("/v1")):
                told += str(socket.recv())
            socket.close()
            assert not [word for word in (NAME, SECRET, hers.ended, hers.waiting) if word in told], one
            assert '"queue_remaining": 2' not in told
    assert {"/ws", "/api/ws", "/v1/ws"} == set(opened)


def test_admins_see_all_below_the_keys_names(web: Web, ann: Tenant, hers: Hers) -> None:
    with web.client(headers={"X-API-Key": OPERATOR}) as http:
        choices = http.get("/object_info/LoadImage").json()["LoadImage"]["input"]["required"]["image"]
        assert f"{ann.key.id}/{NAME}.png" in json.dumps(choices)
        place = {"filename": f"{NAME}.png", "subfolder": ann.key.id, "type": "input"}
        assert http.get("/view", params=place).content == picture("red")
        gone = {"filename": f"{NAME}-output.png", "subfolder": ann.key.id, "type": "output"}
        assert http.get("/view", params=gone).content == picture("red")
        assert http.get("/view", params=gone | {"subfolder": ""}).status_code == 404


def test_uploads_of_one_name_are_two_files(web: Web, ann: Tenant, ben: Tenant) -> None:
    for who, color in ((ann, "green"), (ben, "yellow"), (ann, "white"), (ben, "black")):
        with who.http as http:
            sent = {"image": ("same.png", picture(color, ""))}
            reply = http.post("/upload/image", files=sent, data={"overwrite": "true"})
            assert reply.json() == {"name": "same.png", "subfolder": "", "type": "input"}
    for who, color in ((ann, "white"), (ben, "black")):
        with who.http as http:
            assert http.get("/view", params={"filename": "same.png", "type": "input"}).content == picture(color, "")


def test_a_shared_folder_is_read_by_all_and_written_by_none(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "ours.png").write_bytes(picture("red", ""))
    with serving(tmp_path, api_keys=OPERATOR, shared_input=tmp_path / "shared") as web:
        with tenant(web, "ann").http as http:
            assert "ours.png" in http.get("/object_info/LoadImage").text
            load = {"1": {"class_type": "LoadImage", "inputs": {"image": "ours.png"}},
                    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}  # fmt: skip
            assert http.post("/v1/check", json={"workflow": load}).json()["valid"]
            sent = {"image": ("ours.png", picture("blue", ""))}
            assert http.post("/upload/image", files=sent, data={"overwrite": "true"}).is_success
            place = {"filename": "ours.png", "type": "input"}
            assert http.get("/view", params=place).content == picture("blue", "")
        with tenant(web, "ben").http as http:
            assert http.get("/view", params=place).content == picture("red", "")
    assert (tmp_path / "shared" / "ours.png").read_bytes() == picture("red", "")


CHOOSING = [
    (name, one.name)
    for name, spec in sorted(REGISTRY.items())
    for one in spec.given_inputs
    if isinstance(one.marker, FileChoice) and one.marker.kind in OWN_FOLDERS
]
SPELLINGS = ("{name}", "{name} [input]", "{name} [output]", "{name} [temp]", "../key_ann/{name}", "key_ann/{name}")


@pytest.mark.parametrize(("class_type", "name"), CHOOSING)
def test_no_class_reads_anothers_file(tmp_path: Path, class_type: str, name: str) -> None:
    every = Folders({}, *(tmp_path / kind for kind in OWN_FOLDERS))
    engine = Engine(REGISTRY, every, ModelStore("cpu"))
    for kind in OWN_FOLDERS:
        (tmp_path / kind / "key_ann").mkdir(parents=True)
        (tmp_path / kind / "key_ann" / "hers.png").write_bytes(picture("red"))
    spec = REGISTRY[class_type]
    defaults = {one.name: one.default for one in spec.given_inputs if one.is_widget and one.required}
    for spelling in SPELLINGS:
        value = spelling.format(name="hers.png")
        node = NodeDocument(class_type=class_type, inputs=defaults | {name: value})
        workflow = Workflow(nodes={"1": node})
        problems = engine.check(workflow, ["1"], every.of("key_ben"))
        assert [(one.node_id, one.input) for one in problems] == [("1", name)], value
    found = REGISTRY[class_type].inputs[name].marker
    assert isinstance(found, FileChoice)
    assert every.of("key_ben").files(found.kind) == []
    assert every.of("key_ann").files(found.kind) == ["hers.png"]


def test_runs_write_into_their_own_folders_and_share_no_file(tmp_path: Path) -> None:
    every = Folders({}, *(tmp_path / kind for kind in OWN_FOLDERS))
    engine = Engine(REGISTRY, every, ModelStore("cpu"))
    workflow = Workflow(nodes={key: NodeDocument.model_validate(node) for key, node in PICTURE.items()})
    for space in ("key_ann", "key_ben", ""):
        result = engine.run(workflow, folders=every.of(space))
        (saved,) = result.outputs["2"].shown["images"]
        assert isinstance(saved, SavedFile)
        assert (saved.subfolder, saved.filename) == ("", "test_00001_.png")
        assert (tmp_path / "output" / space / "test_00001_.png").is_file()
        assert result.outputs["2"].cached is (space != "key_ann")


@pytest.mark.parametrize("prefix", ["../key_ann/x", "a/../../key_ann/x", "/x"])
def test_no_run_writes_into_anothers_folder(tmp_path: Path, prefix: str) -> None:
    every = Folders({}, *(tmp_path / kind for kind in OWN_FOLDERS))
    engine = Engine(REGISTRY, every, ModelStore("cpu"))
    nodes = {key: NodeDocument.model_validate(node) for key, node in PICTURE.items()}
    nodes["2"].inputs["filename_prefix"] = prefix
    with pytest.raises(Exception, match="leaves the output folder"):
        engine.run(Workflow(nodes=nodes), folders=every.of("key_ben"))
    assert not (tmp_path / "output" / "key_ann").exists()
