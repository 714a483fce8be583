"""SageAttention for the containers' GPU: built once, kept as a wheel in a volume, installed when a container starts."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from engine.errors import DagfusionError

SOURCE = "https://github.com/thu-ml/SageAttention.git"
_log = logging.getLogger(__name__)

Call = Callable[[Sequence[str], Mapping[str, str]], None]


def wheel_folder(wheels: Path, gpu: str) -> Path:
    """Where the wheels are that fit this GPU and the Python and torch that run here."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    torch = version("torch").replace("+", "-")
    return wheels / "sageattention" / f"{gpu.partition(':')[0].strip('!')}-{python}-torch{torch}"


def build_command(tag: str, folder: Path) -> list[str]:
    """Builds the wheel from the sources at that tag, with the torch that is installed here."""
    source = f"sageattention @ git+{SOURCE}@{tag}"
    return [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), source]


def build_environment(capability: tuple[int, int], jobs: int = 4) -> dict[str, str]:
    """For one compute capability only: all of them would take an hour."""
    return {
        "TORCH_CUDA_ARCH_LIST": f"{capability[0]}.{capability[1]}",
        "MAX_JOBS": str(jobs),
        "EXT_PARALLEL": str(jobs),
        "NVCC_APPEND_FLAGS": f"--threads {jobs}",
    }


def build(folder: Path, tag: str, capability: tuple[int, int], call: Call) -> Path:
    """The wheel, in ``folder``; the one that is there already, if there is one. Raises ``DagfusionError``."""
    if (found := find(folder)) is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    try:
        call(build_command(tag, folder), build_environment(capability))
    except (OSError, subprocess.CalledProcessError) as error:
        raise DagfusionError(
            f"SageAttention {tag} could not be built: {error}", remedy="the log above says why"
        ) from error
    found = find(folder)
    if found is None:
        raise DagfusionError(f"building SageAttention {tag} left no wheel in {folder}")
    return found


def find(folder: Path) -> Path | None:
    """The newest wheel there."""
    wheels = sorted(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return wheels[-1] if wheels else None


def install(folder: Path, into: Path | None = None) -> bool:
    """Unpack the wheel into the running Python, if there is one; it is what ``pip install --no-deps`` would do to it.

    Never raises: without it, torch's own attention is used.
    """
    wheel = find(folder) if folder.is_dir() else None
    if wheel is None:
        return False
    if into is None and importlib.util.find_spec("sageattention") is not None:
        return True
    target = into or Path(sysconfig.get_path("platlib"))
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q", "--target", str(target)]
    try:
        subprocess.run([*command, str(wheel)], check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        _log.warning("%s is not installed: %s", wheel.name, getattr(error, "stderr", "") or error)
        return False
    importlib.invalidate_caches()
    _log.info("installed %s", wheel.name)
    return True


def call_loudly(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command with these variables too; what it says goes to the log. Raises ``CalledProcessError``."""
    from adapters.host.settings import environment_and

    subprocess.run(command, check=True, env=environment_and(environment))  # noqa: S603
