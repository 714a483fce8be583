"""A small stand-in for RunPod's platform: hands out jobs, takes results, tells which jobs to stop."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.adapters.services import until


class Platform:
    """``posts``: all that a worker has sent of each job, in order."""

    def __init__(self) -> None:
        self.posts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.waiting: list[dict[str, Any]] = []
        self.to_stop: list[str] = []
        self.lock = threading.Lock()
        self.url = ""

    def submit(self, job_id: str, given: Any) -> None:
        with self.lock:
            self.waiting.append({"id": job_id, "input": given})

    def result(self, job_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """What the job ended with."""
        until(lambda: self._results(job_id), timeout_s)
        return self._results(job_id)[0]

    def progress(self, job_id: str) -> list[dict[str, Any]]:
        return [one["output"] for one in list(self.posts[job_id]) if one.get("status") == "IN_PROGRESS"]

    def environment(self) -> dict[str, str]:
        """What RunPod tells its workers."""
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{self.url}/job-take/$ID?gpu=x",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{self.url}/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{self.url}/job-stream/$RUNPOD_POD_ID/$ID?gpu=x",
            "RUNPOD_POD_ID": "pod",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        }

    def _results(self, job_id: str) -> list[dict[str, Any]]:
        return [one for one in list(self.posts[job_id]) if one.get("status") != "IN_PROGRESS"]


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if "/job-stop/" in self.path:
                with platform.lock:
                    stop, platform.to_stop = platform.to_stop, []
                time.sleep(0 if stop else 0.2)
                self.answer({"jobsToStop": stop})
                return
            with platform.lock:
                job = platform.waiting.pop(0) if platform.waiting else None
            if job is None:
                time.sleep(0.1)
                self.answer(None)
            else:
                self.answer([job] if "job-take-batch" in self.path else job)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            platform.posts[self.path.partition("?")[0].rpartition("/")[2]].append(body)
            self.answer({})

        def answer(self, document: Any) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(204 if document is None else 200)
            if document is not None:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def serving_platform() -> Iterator[Platform]:
    platform = Platform()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(platform))
    server.daemon_threads = True
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
