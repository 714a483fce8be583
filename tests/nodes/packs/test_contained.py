"""A pack that misbehaves is told of and left out; the others and the service go on."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import DagfusionError
from engine.folders import Folders
from engine.registry import Registry
from nodes.packs import guard, loading
from nodes.packs.description import PackDescription
from nodes.packs.found import Pack, packs_in
from nodes.packs.loaded import LoadedPack
from nodes.packs.loading import add_packs, described_pack

GOOD = """
class A:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    def run(self):
        return (1,)
NODE_CLASS_MAPPINGS = {"A": A}
"""
Write = Callable[[str], Pack]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a pack of one file."""

    def write(code: str, name: str = "pack") -> Pack:
        file = tmp_path / "packs" / name / "__init__.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        return Pack(file.parent)

    return write


def described(pack: Pack, tmp_path: Path) -> PackDescription:
    return described_pack(pack, tmp_path / "kept")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise RuntimeError('no GPU here')", "RuntimeError: no GPU here"),
        ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "it ended the process that imported it (status 3)"),
        ("x = 1", "TypeError: it has neither NODE_CLASS_MAPPINGS nor comfy_entrypoint"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
def test_what_keeps_it_from_being_imported_is_told(write: Write, tmp_path: Path, code: str, error: str) -> None:
    found = described(write(code), tmp_path)
    assert found.error.startswith(error)
    assert found.classes == []


def test_one_that_loops_is_given_up(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LONGEST_IMPORT_S", 0.5)
    assert described(write("while True: pass"), tmp_path).error == "its import takes over 0.5 s"


def test_what_it_prints_goes_nowhere(write: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = described(write("print('x' * 5_000_000)\n" + GOOD), tmp_path)
    assert [one.name for one in found.classes] == ["A"]
    assert capfd.readouterr() == ("", "")


def test_installers_are_refused_and_told(write: Write, tmp_path: Path) -> None:
    code = "import subprocess, sys\ntry:\n    subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])\n"
    found = described(write(f"{code}except Exception:\n    pass\n{GOOD}"), tmp_path)
    assert found.blocked == [f"installing: {sys.executable} -m pip install x"]
    assert [one.name for one in found.classes] == ["A"]


def test_other_machines_are_not_reached_but_this_one_is(write: Write, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        near = f"import socket\nsocket.create_connection(('127.0.0.1', {port})).close()\n"
        far = "try:\n    socket.create_connection(('pack.invalid', 80))\nexcept OSError:\n    pass\n"
        found = described(write(near + far + GOOD), tmp_path)
    assert found.error == ""
    assert found.blocked == ["network: pack.invalid"]


def test_the_others_are_there(write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write("raise RuntimeError('broken')", "broken")
    write(GOOD, "good-pack.v2")
    registry = Registry()
    add_packs(registry, [tmp_path / "packs"], tmp_path / "kept")
    assert list(registry) == ["A"]
    assert "the pack 'broken' is left out: RuntimeError: broken" in caplog.text


def test_it_is_imported_again_only_when_its_code_changes(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = write(GOOD)
    first = described(pack, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(loading, "_described_elsewhere", None)
        assert described(pack, tmp_path) == first
    (pack.path / "settings.json").write_text("{}")
    assert described(pack, tmp_path).digest == first.digest
    write(GOOD.replace('"A"', '"B"'))
    assert [one.name for one in described(pack, tmp_path).classes] == ["B"]


def test_what_is_kept_and_cannot_be_read_is_made_anew(write: Write, tmp_path: Path) -> None:
    pack = write(GOOD)
    described(pack, tmp_path)
    (kept,) = (tmp_path / "kept").glob("*.json")
    kept.write_text("{")
    assert [one.name for one in described(pack, tmp_path).classes] == ["A"]


def test_only_packs_are_looked_at(tmp_path: Path) -> None:
    for name in ("one", "two.disabled", ".hidden", "__pycache__", "empty"):
        (tmp_path / name).mkdir()
        if name != "empty":
            (tmp_path / name / "__init__.py").touch()
    for name in ("three.py", "four.py.example", "notes.txt"):
        (tmp_path / name).touch()
    assert [pack.name for pack in packs_in(tmp_path)] == ["one", "three"]
    with pytest.raises(DagfusionError, match="is not a folder"):
        packs_in(tmp_path / "missing")


def test_other_threads_are_let_while_a_pack_is_imported() -> None:
    with socket.create_server(("127.0.0.1", 0)), guard.importing([]), ThreadPoolExecutor(1) as pool:
        assert pool.submit(socket.getaddrinfo, "192.0.2.1", 80).result()
        with pytest.raises(socket.gaierror, match="no network while they are imported"):
            socket.getaddrinfo("192.0.2.1", 80)
    assert socket.getaddrinfo("192.0.2.1", 80)


def test_a_worker_lets_it_what_its_description_was_let(write: Write, tmp_path: Path) -> None:
    pack = write("import socket\nADDRESS = socket.getaddrinfo('192.0.2.1', 80)\n" + GOOD)
    folders = Folders(input=tmp_path, output=tmp_path, temp=tmp_path)
    with pytest.raises(socket.gaierror, match="no network while they are imported"):
        LoadedPack(pack, pack.digest()).class_of("A", folders)
    assert LoadedPack(pack, pack.digest(), network=True).class_of("A", folders)().run() == (1,)


def test_code_that_is_replaced_under_its_name_is_not_run(write: Write, tmp_path: Path) -> None:
    pack = write(GOOD, "replaced")
    loaded = LoadedPack(pack, pack.digest())
    write(GOOD.replace("(1,)", "(2,)"), "replaced")
    with pytest.raises(DagfusionError, match="the pack 'replaced' has been changed since the start"):
        loaded.class_of("A", Folders(input=tmp_path, output=tmp_path, temp=tmp_path))


def test_processes_that_start_together_read_a_pack_once(write: Write, tmp_path: Path) -> None:
    code = f"with open({str(tmp_path / 'imports')!r}, 'a') as file:\n    file.write('x')\n"
    pack = write(code + GOOD)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: described(pack, tmp_path), range(3)))
    assert found[0] == found[1] == found[2]
    assert (tmp_path / "imports").read_text() == "x"
