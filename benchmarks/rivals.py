"""The same workflows on this project's server and on another that speaks ComfyUI's protocol, in turns."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmarks.case import Bench, Figure, Value
from benchmarks.service import running
from benchmarks.timing import in_turns, ratios
from engine.errors import DagfusionError
from engine.workflow import NodeDocument

Prompt = Mapping[str, NodeDocument]
LONGEST_S = 3600.0


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Around whatever is asked of a server: one that goes away meanwhile is one ``DagfusionError``."""
    try:
        yield
    except (httpx.HTTPError, WebSocketException, OSError) as error:
        message = f"{url} went away: {str(error) or type(error).__name__}"
        raise DagfusionError(message, remedy="its own log says why; start it again") from error


@dataclass(frozen=True)
class Server:
    """A server that speaks ComfyUI's protocol."""

    url: str

    def version(self) -> str:
        """What it says it is. Raises ``DagfusionError`` where nothing answers there."""
        try:
            return str(self.stats()["system"]["comfyui_version"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            hint = "start it first; --against takes the address of a server that speaks ComfyUI's protocol"
            raise DagfusionError(f"{self.url} does not answer as ComfyUI does: {error}", remedy=hint) from error

    def stats(self) -> dict[str, Any]:
        """What it says of its machine. Raises ``httpx.HTTPError``."""
        return dict(httpx.get(f"{self.url}/system_stats", timeout=30).raise_for_status().json())

    def checkpoints(self) -> list[str]:
        """The checkpoints that its workflows can name; both ways in which ComfyUI writes choices are read."""
        address = f"{self.url}/object_info/CheckpointLoaderSimple"
        with answering(self.url):
            known = httpx.get(address, timeout=120).raise_for_status().json()
        kind, *options = known["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"]
        return [str(name) for name in (kind if isinstance(kind, list) else options[0]["options"])]

    def free(self) -> None:
        """Have it let go of its models and of what it keeps of earlier runs, before its next job."""
        wishes = {"unload_models": True, "free_memory": True}
        with answering(self.url):
            httpx.post(f"{self.url}/free", json=wishes, timeout=60).raise_for_status()

    def picture(self, prompt_id: str) -> bytes:
        """The file of the first picture that the workflow saved."""
        made = httpx.get(f"{self.url}/history/{prompt_id}", timeout=60).raise_for_status().json()[prompt_id]["outputs"]
        (saved, *_) = next(one["images"] for one in made.values() if one.get("images"))
        where = {name: saved[name] for name in ("filename", "subfolder", "type")}
        return httpx.get(f"{self.url}/view", params=where, timeout=60).raise_for_status().content

    def run(self, prompt: Prompt) -> str:
        """Submit and wait until it has ended; its id there. Raises ``DagfusionError`` where it does not end well."""
        client = uuid.uuid4().hex
        body = {
            "client_id": client,
            "prompt": {node_id: {"class_type": n.class_type, "inputs": n.inputs} for node_id, n in prompt.items()},
        }
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client}"
        with answering(self.url), connect(address, open_timeout=30, max_size=None) as socket:
            reply = httpx.post(f"{self.url}/prompt", json=body, timeout=120)
            if reply.is_error:
                raise DagfusionError(f"{self.url} does not take the workflow: {reply.text[:500]}")
            prompt_id = str(reply.json()["prompt_id"])
            while True:
                kind, data = _next(socket.recv(LONGEST_S))
                if data.get("prompt_id") != prompt_id:
                    continue
                if kind in ("execution_error", "execution_interrupted"):
                    raise DagfusionError(
                        f"the workflow failed at {self.url}: {str(data.get('exception_message', kind))[:300]}"
                    )
                if kind == "execution_success" or (kind == "executing" and data.get("node") is None):
                    return prompt_id


def _next(message: str | bytes) -> tuple[str, dict[str, Any]]:
    if isinstance(message, bytes):
        return "preview", {}
    document = json.loads(message)
    return str(document["type"]), document.get("data") or {}


@dataclass(frozen=True)
class Pair:
    """Our server and the other."""

    ours: Server
    theirs: Server
    against: str


def pair(bench: Bench, **settings: str) -> Pair:
    """The other server, and one of ours, started for the case with its defaults but for ``settings``."""
    assert bench.against is not None
    theirs = Server(bench.against.rstrip("/"))
    against = f"ComfyUI {theirs.version()}"
    if bench.models is not None:
        settings = {"models": str(bench.models.absolute())} | settings
    key = ("service", *sorted(settings.items()))
    folder = bench.folder / f"service-{len(list(bench.folder.iterdir()))}"
    service = bench.open(key, lambda: running(folder, ready=True, threads=None, **settings))
    return Pair(Server(service.url), theirs, against)


def compared(
    both: Pair, prompts: Iterator[Prompt], repeats: int, more: Mapping[str, Value], *, bound: float | None = None
) -> Iterator[Figure]:
    """Seconds from the request to the last event on both, and the ratio turn by turn; after a round that warms up.

    ``prompts``: the workflows in order; each is run on both servers.
    """
    waiting: dict[str, list[Prompt]] = {"ours": [], "theirs": []}

    def run(side: str) -> None:
        if not waiting[side]:
            made = next(prompts)
            for queue in waiting.values():
                queue.append(made)
        server = both.ours if side == "ours" else both.theirs
        server.run(waiting[side].pop(0))

    seconds = in_turns({side: lambda side=side: run(side) for side in waiting}, repeats)  # type: ignore[misc]
    more = {**more, "against": both.against}
    yield Figure("over HTTP", "s", seconds["ours"], more=more)
    yield Figure("over HTTP", "s", seconds["theirs"], subject="comfyui", more=more)
    yield Figure("ratio", "x", ratios(seconds["ours"], seconds["theirs"]), bound=bound, more=more)
