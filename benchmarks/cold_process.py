"""A process that starts, stage by stage, for the case ``cold``; and one that is warm already and forks ones that serve.

``python -m benchmarks.cold_process stages FOLDER CHECKPOINT`` prints the seconds by stage as JSON; ``... forked FOLDER
CHECKPOINT COUNT`` prints, of each child, the seconds from the fork to what it did.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.host.settings import Settings, read_settings
from engine.collection import collect_seldom

if TYPE_CHECKING:
    from adapters.run.direct.runner import DirectRunner
    from engine.engine import Engine

# In the order in which a worker comes to them.
LIBRARIES = {"torch": "torch", "diffusers": "nodes.diffusion.unet_module", "safetensors": "safetensors.torch"}


def stages(folder: Path, checkpoint: str) -> list[dict[str, float]]:
    """Seconds of each stage: Python itself, libraries, our own modules, the model, its first and second picture.

    First as they pass, then those of the processor, which other programs do not stretch.
    """
    clock = _Stages(time.clock_gettime(time.CLOCK_BOOTTIME) - _started_at())
    for name, module in LIBRARIES.items():
        import_module(module)
        clock.end(f"import {name}")
    engine = _engine(_settings(folder))
    clock.end("engine")
    _hold(engine, checkpoint)
    clock.end("model")
    for name in ("first picture", "second picture"):
        _draw(engine, checkpoint)
        clock.end(name)
        engine.cache.clear()
    return [clock.passed, clock.processor]


class _Stages:
    def __init__(self, started_s: float) -> None:
        self.passed = {"python": started_s}
        self.processor = {"python": time.process_time()}
        self._at = time.monotonic(), time.process_time()

    def end(self, name: str) -> None:
        """What came since the last stage was that one."""
        at = time.monotonic(), time.process_time()
        self.passed[name], self.processor[name] = (now - before for now, before in zip(at, self._at, strict=True))
        self._at = at


def forked(folder: Path, checkpoint: str, count: int) -> list[dict[str, float]]:
    """Everything imported and the weights in memory, as after a snapshot's first phase; then a fork for each child."""
    import torch

    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and none may be waited for
    import uvicorn

    settings = _settings(folder)
    engine = _engine(settings)
    _draw(engine, checkpoint)
    engine.cache.clear()
    engine.models.detach_from_files()
    import adapters.doors.http.app
    import adapters.doors.http.hosting
    import adapters.run.direct.runner

    del uvicorn, adapters
    return [_in_a_child(settings, engine, checkpoint) for _ in range(count)]


def _in_a_child(settings: Settings, engine: Engine, checkpoint: str) -> dict[str, float]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    started_at = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            _serve(settings, engine, listener)
        finally:
            os._exit(0)
    listener.close()
    try:
        return _asked(f"http://127.0.0.1:{port}", checkpoint, started_at)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def _serve(settings: Settings, engine: Engine, listener: socket.socket) -> None:
    """The whole service in one process: its relay hands jobs to the engine that is here."""
    import uvicorn

    from adapters.doors.http.hosting import create_relayed_app
    from adapters.run.direct.runner import DirectRunner
    from adapters.run.relay.relay import Relay
    from adapters.service.blobs.store import BlobStore

    runner: DirectRunner = DirectRunner(engine, BlobStore(settings.blob_url))
    app = create_relayed_app(settings, lambda now: Relay(now.store, runner.run, name=f"forked-{os.getpid()}", slots=1))
    uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on")).run(sockets=[listener])


def _asked(url: str, checkpoint: str, started_at: float) -> dict[str, float]:
    import httpx

    with httpx.Client(base_url=url, timeout=60) as http:
        return dict(milestones(http, checkpoint, started_at))


def milestones(http: Any, checkpoint: str, started_at: float) -> Iterator[tuple[str, float]]:
    """Seconds since ``started_at`` (monotonic) until the service lives, is ready and has drawn a picture."""
    for name in ("health", "ready"):
        _until(partial(_answers, http, f"/{name}"))
        yield name, time.monotonic() - started_at
    prompt = {name: node.model_dump(exclude_defaults=True) for name, node in picture(checkpoint).items()}
    job = http.post("/v1/jobs", params={"wait": 60}, json={"workflow": prompt}).json()
    if job.get("state") != "completed":
        raise SystemExit(f"no picture came: {job}")
    yield "picture", time.monotonic() - started_at


def picture(checkpoint: str, seed: int = 1) -> dict[str, Any]:
    """A picture of 64 x 64 in one step, saved: what a first picture costs beside its steps."""
    from adapters.run.worker.warm import one_step
    from engine.workflow import NodeDocument

    saved = NodeDocument(class_type="SaveImage", inputs={"images": ["image", 0], "filename_prefix": f"cold{seed}"})
    return one_step(checkpoint) | {"saved": saved}


def _answers(http: Any, path: str) -> bool:
    return bool(http.get(path).status_code == 200)


def _until(look: Callable[[], bool], limit_s: float = 120.0) -> None:
    import httpx

    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            if look():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.005)
    raise SystemExit(f"nothing came within {limit_s:g} s")


def _settings(folder: Path) -> Settings:
    places = {name: folder / name for name in ("data", "input", "output", "temp")}
    return read_settings({"models": [folder / "models"], "fingerprints": folder / "fingerprints.json", **places})


def _engine(settings: Settings) -> Engine:
    from adapters.host.loading import load_engine, load_folders, load_registry

    return load_engine(settings, load_registry(settings), load_folders(settings))


def _hold(engine: Engine, checkpoint: str) -> None:
    from benchmarks.drawing import networks_of

    for weights in networks_of(engine, checkpoint):
        with engine.models.lease(weights):
            pass


def _draw(engine: Engine, checkpoint: str) -> None:
    from engine.workflow import Workflow

    engine.run(Workflow(nodes=picture(checkpoint)))


def _started_at() -> float:
    """When this process was started, in seconds since the machine was."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """See the module."""
    what, folder, checkpoint, *count = sys.argv[1:]
    collect_seldom()  # as every door does
    if what == "stages":
        print(json.dumps(stages(Path(folder), checkpoint)))
    else:
        print(json.dumps(forked(Path(folder), checkpoint, int(count[0]))))


if __name__ == "__main__":
    main()
