"""The wheel, built as the Dockerfile builds it and installed away from the sources: it carries all that it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from nodes import builtin_registry
from tests.adapters.host.models.conftest import entry, write_manifest
from tests.dockerfile import ROOT, instructions

BIN = Path(sys.executable).parent
PACKAGES = ("engine", "nodes", "adapters", "graphs", "benchmarks", "models")
DOORS = {"modal", "runpod", "ray"}
SMALL = ("--set", "Sampler.steps=2", "--set", "EmptyLatentImage.width=64", "--set", "EmptyLatentImage.height=64")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the Dockerfile's own command, with nothing fetched."""
    folder = tmp_path_factory.mktemp("dist")
    (command,) = [rest for word, rest in instructions("wheel") if word == "RUN" and rest.startswith("hatchling build")]
    arguments = command.replace("/dist", str(folder)).split()[1:]
    subprocess.run([BIN / "hatchling", *arguments], cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def install(wheel: Path, folder: Path, requirements: Path) -> Path:
    """A virtual environment with the wheel alone; what it requires is found in ``requirements``."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    command = [BIN / "uv", "pip", "install", "--offline", "--no-deps", "--python", folder / "bin/python", wheel]
    subprocess.run(command, check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path file's own line adds a folder and not what path files in there add: the source tree stays out.
    (site / "requirements.pth").write_text(str(requirements))
    return folder


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own, with the libraries that these tests run with."""
    return install(wheel, tmp_path_factory.mktemp("clean"), Path(str(distribution("pydantic").locate_file(""))))


@pytest.fixture
def dagfusion(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the installed ``dagfusion`` outside of the source tree; returns what it printed."""
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def run(*arguments: object, python: bool = False) -> str:
        command = [clean / "bin" / ("python" if python else "dagfusion"), *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_holds_every_file_that_is_no_cache(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".swp")
    }
    assert files - inside == set()
    assert any(name.endswith(".safetensors") for name in inside)
    assert not [name for name in inside if name.startswith("tests/")]


def test_the_installed_wheel_lists_the_nodes_and_checks_a_graph(dagfusion: Callable[..., str], clean: Path) -> None:
    assert str(clean) in dagfusion("-c", "import engine, nodes, adapters; print(engine.__file__)", python=True)
    assert set(json.loads(dagfusion("nodes", "--json"))) >= set(builtin_registry())
    (graph,) = clean.glob("lib/*/site-packages/graphs/text_to_image.json")
    assert "no problems" in dagfusion("check", graph)


def test_the_installed_wheel_draws_with_its_embedded_model(
    dagfusion: Callable[..., str], clean: Path, tmp_path: Path
) -> None:
    (graph,) = clean.glob("lib/*/site-packages/graphs/text_to_image.json")
    out = dagfusion("run", graph, *SMALL, "--device", "cpu", "--out", tmp_path / "pictures")
    with Image.open(out.strip()) as picture:
        low, high = picture.convert("L").getextrema()
    assert low < high


def requirements(wheel: Path) -> Iterator[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    yield from map(Requirement, metadata.get_all("Requires-Dist", []))


def closure(needed: Iterable[Requirement], extras: set[str]) -> set[str]:
    """Names of all distributions that are needed here, the requirements' requirements included."""
    found: dict[str, set[str]] = {}
    waiting = [(requirement, extras) for requirement in needed]
    while waiting:
        requirement, wanted = waiting.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
            continue
        name = canonicalize_name(requirement.name)
        if name in found and requirement.extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | requirement.extras
        lines = distribution(name).requires or ()
        waiting += [(Requirement(line), found[name]) for line in lines]
    return set(found)


def test_the_base_install_carries_no_cloud(wheel: Path, dagfusion: Callable[..., str]) -> None:
    always = {r.name for r in requirements(wheel) if not (r.marker and "extra" in str(r.marker))}
    assert "torch" in always
    assert not closure(requirements(wheel), set()) & DOORS
    loaded = "import sys; from adapters.doors.cli import app, run, serve, doctor; print(*sys.modules)"
    assert not DOORS & set(dagfusion("-c", loaded, python=True).split())


def test_all_that_the_image_installs_is_pinned_by_the_lock(wheel: Path) -> None:
    lock = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    (default,) = {rest for word, rest in instructions() if word == "ARG" and rest.startswith("EXTRAS=")}
    extras = set(default.partition("=")[2].strip('"').split())
    assert extras <= {extra for r in requirements(wheel) for extra in re.findall(r"extra == ['\"](\w+)", str(r.marker))}
    assert closure(requirements(wheel), extras) - set(lock) == set()
    assert {"uv", "hatchling"} <= set(lock)


def test_a_pull_needs_no_more_than_the_models_stage_installs(wheel: Path, tmp_path: Path) -> None:
    (listed,) = [rest for word, rest in instructions("models") if word == "RUN" and "filelock" in rest]
    names = listed.partition("uv pip install --constraint /requirements.lock ")[2].split()
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for name in closure(map(Requirement, names), set()):
        for file in distribution(name).files or ():
            link = libraries / file.parts[0]
            if file.parts[0] != ".." and not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(file.parts[0]))))
    assert not (libraries / "torch").exists()
    environment = install(wheel, tmp_path / "environment", libraries)
    body = b"a: 1"
    (tmp_path / "weights.yaml").write_bytes(body)
    source = {"path": "weights.yaml"}
    write_manifest(tmp_path / "models.yaml", entry("a.yaml", body, source, kind="configs", fetch="build"))
    command = [environment / "bin/dagfusion", "models", "pull", "--models", "new", "--when", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/configs/a.yaml").read_bytes() == body
