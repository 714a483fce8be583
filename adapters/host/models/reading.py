"""Reads ``models.yaml``, and says everything that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adapters.host.models.document import LocalFile, Manifest
from adapters.host.models.errors import ManifestInvalid
from adapters.host.settings import Settings
from engine.errors import first_line

DEFAULT_MANIFEST = Path("models.yaml")
MAX_BYTES = 4 * 2**20
_SCHEMA = "`dagfusion models schema` prints what a manifest may hold"


def manifest_path(given: Path | None, settings: Settings) -> Path:
    """The manifest of a command: the one given, else the environment's, else ``models.yaml`` of this folder."""
    return given or settings.manifest or DEFAULT_MANIFEST


def read_manifest(path: Path) -> Manifest:
    """The manifest in the file ``path`` (YAML or JSON); paths in it become absolute. Raises ``ManifestInvalid``."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ManifestInvalid(str(path), [f"is larger than {MAX_BYTES >> 20} MiB"])
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        remedy = "name the manifest: dagfusion models pull PATH"
        raise ManifestInvalid(str(path), [f"cannot be read: {reason}"], remedy=remedy) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ManifestInvalid(str(path), [f"is not YAML: {_first_line(error)}"], remedy=_SCHEMA) from error
    return parse_manifest(document, where=str(path), folder=path.absolute().parent)


def parse_manifest(document: Any, *, where: str, folder: Path) -> Manifest:
    """The manifest in plain data. ``folder``: what relative paths start from. Raises ``ManifestInvalid``."""
    if not isinstance(document, dict):
        raise ManifestInvalid(where, ["must have 'models:', a list of files"], remedy=_SCHEMA)
    try:
        manifest = Manifest.model_validate(document)
    except (ValidationError, RecursionError) as error:
        problems = _problems(error) if isinstance(error, ValidationError) else ["is nested too deeply"]
        raise ManifestInvalid(where, problems, remedy=_SCHEMA) from error
    return manifest.model_copy(
        update={
            "models": tuple(
                model.model_copy(update={"source": LocalFile(path=str(folder / Path(model.source.path).expanduser()))})
                if isinstance(model.source, LocalFile)
                else model
                for model in manifest.models
            )
        }
    )


def _problems(error: ValidationError) -> list[str]:
    # What was given is left out: it may be a secret that went into the wrong line, or very long.
    found = []
    for entry in error.errors(include_input=False, include_url=False, include_context=False):
        where = ""
        for part in entry["loc"]:
            where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
        message = entry["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {message}" if where else message)
    return found


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or first_line(error)
    return f"{problem} (line {mark.line + 1})" if mark else problem
