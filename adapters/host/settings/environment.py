"""The environment itself: what children and containers get of it, and what libraries read from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What a container's own places are called; all other settings go to containers as they are where they deploy from.
_PLACES = {
    f"DAGFUSION_{name}"
    for name in (
        "MODELS",
        "NODES",
        "EXTRA_MODEL_PATHS",
        "INPUT",
        "SHARED_INPUT",
        "OUTPUT",
        "TEMP",
        "FINGERPRINTS",
        "DISK_CACHE",
        "COMPILED",
        "DATA",
        "MANIFEST",
    )
}
_PASSED_ON = {
    *("HF_TOKEN", "HF_ENDPOINT", "CIVITAI_TOKEN", "CIVITAI_ENDPOINT"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "AWS_ENDPOINT_URL",
}


def environment_passed_on() -> dict[str, str]:
    """What of this environment containers elsewhere are to have too: settings, tokens, access to S3."""
    ours = {name for name in os.environ if name.startswith("DAGFUSION_")} - _PLACES
    return {name: os.environ[name] for name in sorted(ours | (_PASSED_ON & os.environ.keys()))}


def said(name: str, otherwise: Any) -> Any:
    """The variable of that name, or ``otherwise`` where it is missing or empty."""
    return os.environ.get(name) or otherwise


def environment_with(given: Mapping[str, object]) -> dict[str, str]:
    """The environment of a child process in which the settings in ``given`` (by name) have these values."""
    return environment_and({f"DAGFUSION_{name.upper()}": _as_text(value) for name, value in given.items()})


def environment_and(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, and ``more`` variables."""
    return dict(os.environ) | dict(more)


def let_waiting_threads_sleep() -> None:
    """OpenMP's threads wait asleep rather than spinning, unless the environment has it otherwise.

    Where programs share the cores, spinning threads take them from those that they wait for: sampling with a small
    model took 20 times as long. It counts only before torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def keep_compiled_code_in(folder: Path) -> None:
    """What torch compiles is kept here for other processes, unless the environment names another folder."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.absolute()))


def _as_text(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    separator = os.pathsep if any(isinstance(item, Path) for item in value) else ","
    return separator.join(map(str, value))
