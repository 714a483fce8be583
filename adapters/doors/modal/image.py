"""The containers' images: what the lock says, then this package, then the manifest and the user's own nodes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import modal

from adapters.doors.modal.places import MANIFEST, NODES, PACKS
from adapters.host.settings import Settings

PYTHON = "3.12"
PROJECT = Path(__file__).parents[3]
_SOURCE = "/source"
_PACKAGES = ("engine", "nodes", "adapters", "graphs", "models", "benchmarks")
_FILES = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE", "NOTICE")
_LEFT_OUT = ["**/__pycache__", "**/*.pyc"]


def service_image(extras: Sequence[str], settings: Settings, project: Path = PROJECT) -> modal.Image:
    """For the API and the GPU containers. Triton, which torch.compile uses, calls a C compiler."""
    base = modal.Image.debian_slim(python_version=PYTHON).apt_install("gcc", "libc6-dev")
    return _with_users_own(_with_project(_with_requirements(base, extras, project), project), settings)


def builder_image(cuda_image: str, project: Path = PROJECT) -> modal.Image:
    """For building CUDA extensions against the lock's torch: NVIDIA's compiler, and the same Python."""
    base = modal.Image.from_registry(cuda_image, add_python=PYTHON).apt_install("git", "g++", "ninja-build")
    locked = _with_requirements(base.env({"CUDA_HOME": "/usr/local/cuda"}), ["modal"], project)
    return _with_project(locked, project)


def install_commands(extras: Sequence[str]) -> list[str]:
    """What ``pyproject.toml`` asks for, in the versions of the lock; from the package index that the builder uses."""
    chosen = " ".join(f"--extra {shlex.quote(extra)}" for extra in extras)
    lock = f"--constraint {_SOURCE}/requirements.lock"
    return [
        f"python -m pip install --no-cache-dir {lock} pip setuptools wheel uv hatchling",
        f"uv pip install --system --compile-bytecode {lock} --requirements {_SOURCE}/pyproject.toml {chosen}".strip(),
    ]


def _with_requirements(image: modal.Image, extras: Sequence[str], project: Path) -> modal.Image:
    for name in ("pyproject.toml", "requirements.lock"):
        image = image.add_local_file(project / name, f"{_SOURCE}/{name}", copy=True)
    return image.run_commands(*install_commands(extras))


def _with_project(image: modal.Image, project: Path) -> modal.Image:
    for name in _FILES:
        image = image.add_local_file(project / name, f"{_SOURCE}/{name}", copy=True)
    for name in _PACKAGES:
        image = image.add_local_dir(project / name, f"{_SOURCE}/{name}", copy=True, ignore=_LEFT_OUT)
    return image.run_commands(f"uv pip install --system --no-deps --no-build-isolation --compile-bytecode {_SOURCE}")


def _with_users_own(image: modal.Image, settings: Settings) -> modal.Image:
    """Last and not copied, so that another manifest builds no image."""
    if settings.manifest is not None:
        image = image.add_local_file(settings.manifest, str(MANIFEST))
    for place, folders in ((NODES, settings.nodes), (PACKS, settings.packs)):
        for number, folder in enumerate(folders):
            image = image.add_local_dir(folder, str(place / str(number)), ignore=_LEFT_OUT)
    return image
