"""``dagfusion models``: exit codes, output, kill and resume, tokens that stay secret."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.doors.cli.app import app
from tests.adapters.host.models.conftest import entry, weights, write_manifest
from tests.adapters.host.models.depot import Depot, Request, answer, drop, etag, guarded, serve
from tests.adapters.services import until

COMMAND = Path(sys.executable).parent / "dagfusion"
NAME = "m.safetensors"
BODY = weights()
SECRET = "hf_verysecret"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(depot: Depot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty folder to work in, with the depot as Hugging Face."""
    for name in os.environ:
        if name.startswith(("DAGFUSION_", "HF_", "CIVITAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", depot.url)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def models(environment: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``dagfusion models ...`` to its end, in this process."""

    def run(*arguments: object, token: str = "") -> Result:
        environment.setenv("HF_TOKEN", token)
        return CliRunner().invoke(app, ["models", *map(str, arguments)])

    return run


@pytest.fixture
def start(environment: pytest.MonkeyPatch) -> Start:
    """Start ``dagfusion models ...`` as a process of its own."""

    def start(*arguments: object, **more: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
        return subprocess.Popen([COMMAND, "models", *map(str, arguments)], **options)

    return start


@pytest.fixture
def manifest(depot: Depot, tmp_path: Path) -> Path:
    """One file for the image, one for the start; the second lies on Hugging Face."""
    depot.files |= {"/a": BODY, "/acme/m/resolve/v1/b.safetensors": weights(2)}
    return write_manifest(
        tmp_path / "models.yaml",
        entry("a.safetensors", BODY, {"url": f"{depot.url}/a"}, fetch="build"),
        entry(
            "b.safetensors",
            weights(2),
            {"huggingface": "acme/m", "file": "b.safetensors", "revision": "v1"},
            kind="loras",
        ),
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_from_a_manifest_to_files_that_verify(models: Any, manifest: Path, tmp_path: Path) -> None:
    listed = models("list", manifest, "--models", "new")
    assert listed.exit_code == 0, listed.stderr
    assert listed.stdout.count("missing") == 2
    assert models("verify", "--models", "new").exit_code == 1
    pulled = models("pull", "--models", "new", "--when", "build")
    assert pulled.exit_code == 0, pulled.stderr
    assert pulled.stdout == "1 file: 1 fetched, 0 were here, 0 failed\n"
    assert not (tmp_path / "new/loras").exists()
    pulled = models("pull", "--models", "new", "--json")
    assert pulled.exit_code == 0
    assert pulled.stderr == ""
    *_, last = events = lines(pulled.stdout)
    assert last == {"event": "Finished", "fetched": 1, "present": 1, "failed": 0}
    assert [e["name"] for e in events if e["event"] == "Arrived"] == ["a.safetensors", "b.safetensors"]
    verified = models("verify", "--models", "new")
    assert verified.exit_code == 0
    assert verified.stdout.endswith("2 files: 2 are right, 0 are not\n")
    # Workflows see the files, and nothing of what the pull keeps beside them.
    listed = models("--models", "new", "--json")
    mine = [f["name"] for f in json.loads(listed.stdout) if str(tmp_path) in f["path"] or f["path"].startswith("new")]
    assert sorted(mine) == ["a.safetensors", "b.safetensors"]


def test_verify_reads_every_byte(models: Any, manifest: Path, tmp_path: Path) -> None:
    models("pull", "--models", "new")
    file = tmp_path / "new/checkpoints/a.safetensors"
    stat = file.stat()
    damaged = bytearray(BODY)
    damaged[1000] ^= 1
    file.write_bytes(damaged)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    verified = models("verify", "--models", "new")
    assert verified.exit_code == 1
    assert "hash_wrong  checkpoints/a.safetensors" in verified.stderr
    assert "dagfusion models pull --replace" in verified.stderr
    (wrong, right) = json.loads(models("verify", "--models", "new", "--json").stdout)
    assert (wrong["state"], right["state"]) == ("hash_wrong", "ok")
    repaired = models("pull", "--models", "new", "--replace")
    assert repaired.exit_code == 0, repaired.stderr
    assert file.read_bytes() == BODY


def test_one_structured_error_a_failure(models: Any, depot: Depot, manifest: Path) -> None:
    depot.tricks["/a"].append(answer(404))
    pulled = models("pull", "--models", "new", "--json")
    assert pulled.exit_code == 1
    (failed,) = [e for e in lines(pulled.stdout) if e["event"] == "Failed"]
    assert failed["code"] == "missing"
    assert failed["name"] == "a.safetensors"
    assert failed["remedy"]
    depot.tricks["/a"].append(answer(404))
    pulled = models("pull", "--models", "new")
    assert pulled.exit_code == 1
    assert [line for line in pulled.stderr.splitlines() if line.startswith("error:")] == [
        f"error: checkpoints/a.safetensors: {depot.url}/a is not there (404) (check the source)"
    ]
    assert "Traceback" not in pulled.stderr


@pytest.mark.parametrize("command", ["pull", "verify", "list"])
def test_a_wrong_manifest_is_exit_code_2(models: Any, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.yaml").write_text("models: [{name: ../../etc/passwd}]")
    done = models(command, "bad.yaml", "--models", "new")
    assert done.exit_code == 2
    assert "plain relative file name" in done.stderr
    assert "dagfusion models schema" in done.stderr
    assert done.stdout == ""
    assert json.loads(models(command, "bad.yaml", "--models", "new", "--json").stdout)["error"] == "ManifestInvalid"
    assert not (tmp_path / "new").exists()


def test_options_in_the_wrong_place_and_no_folder(models: Any, manifest: Path) -> None:
    misplaced = models("--models", "new", "pull")
    assert misplaced.exit_code == 2
    assert "options go after 'pull'" in misplaced.stderr
    lacking = models("pull")
    assert lacking.exit_code == 1
    assert "DAGFUSION_MODELS" in lacking.stderr


def test_the_schema_is_printed(models: Any) -> None:
    assert json.loads(models("schema").stdout)["title"] == "Manifest"


def test_a_token_is_used_and_never_shown(models: Any, depot: Depot, manifest: Path, tmp_path: Path) -> None:
    path = "/acme/m/resolve/v1/b.safetensors"
    depot.forever = True
    depot.tricks[path].append(guarded(SECRET))
    refused = models("pull", "--models", "new")
    assert refused.exit_code == 1
    assert "put a token into HF_TOKEN" in refused.stderr
    for options in (["--debug"], ["--json"], []):
        pulled = models("pull", "--models", f"new{len(options)}", *options, token=SECRET)
        assert pulled.exit_code == 0, pulled.stderr
        assert SECRET not in pulled.stdout + pulled.stderr
    depot.tricks[path][0] = guarded("another")
    refused = models("pull", "--models", "newer", "--json", token=SECRET)
    assert refused.exit_code == 1
    assert SECRET not in refused.stdout + refused.stderr
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert kept == []


def hold(request: Request, body: bytes) -> None:
    """Send three quarters, then wait."""
    request.head(200, {"ETag": etag(body), "Content-Length": str(len(body))})
    request.wfile.write(body[: len(body) * 3 // 4])
    request.wfile.flush()
    request.server.closing.wait(60)
    request.hang_up()


def wait_for_part(folder: Path, size_bytes: int) -> None:
    part = folder / "checkpoints/.dagfusion" / f"{NAME}.part"
    until(lambda: part.is_file() and part.stat().st_size >= size_bytes)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_pull_that_is_ended_in_the_middle_goes_on(
    start: Start, models: Any, depot: Depot, tmp_path: Path, how: signal.Signals
) -> None:
    body = weights(4, 8_000_000)
    depot.files["/m"] = body
    write_manifest(tmp_path / "models.yaml", entry(NAME, body, {"url": f"{depot.url}/m"}))
    depot.tricks["/m"].append(hold)
    process = start("pull", "--models", "new")
    wait_for_part(tmp_path / "new", 4_000_000)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in err
    assert not (tmp_path / "new/checkpoints" / NAME).exists()
    assert models("verify", "--models", "new").exit_code == 1
    pulled = models("pull", "--models", "new")
    assert pulled.exit_code == 0, pulled.stderr
    assert "goes on at" in pulled.stderr
    assert (tmp_path / "new/checkpoints" / NAME).read_bytes() == body
    resumed_at = int(str(depot.ranges("/m")[1]).removeprefix("bytes=").removesuffix("-"))
    assert 4_000_000 <= resumed_at <= len(body) * 3 // 4


def test_two_pulls_at_a_time_fetch_a_file_once(start: Start, depot: Depot, tmp_path: Path) -> None:
    body = weights(4, 2_000_000)
    depot.files["/m"] = body
    write_manifest(tmp_path / "models.yaml", entry(NAME, body, {"url": f"{depot.url}/m"}))

    def slow(request: Request, body: bytes) -> None:
        time.sleep(1.5)
        serve(request, body)

    depot.tricks["/m"].append(slow)
    processes = [start("pull", "--models", "new") for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert len(depot.seen) == 1
    assert max(out for out, _ in ends) == "1 file: 1 fetched, 0 were here, 0 failed\n"
    assert (tmp_path / "new/checkpoints" / NAME).read_bytes() == body


def test_a_terminal_gets_bars(start: Start, depot: Depot, manifest: Path) -> None:
    depot.tricks["/a"].append(drop(100_000))
    ours, theirs = pty.openpty()
    process = start("pull", "--models", "new", stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the process has closed its end
            break
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, shown
    assert b"checkpoints/a.safetensors" in shown
    assert b"\x1b[" in shown
    assert b"the connection broke off; trying again" in shown
    assert out.endswith("2 fetched, 0 were here, 0 failed\n")
