"""Whether a file's contents are right: by hash, and by what its name says it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adapters.host.models.document import ListedModel
from adapters.host.models.errors import PullFailed

HEAD_BYTES = 64
_SAFETENSORS = (".safetensors", ".sft")


def hash_of(path: Path) -> str:
    """SHA-256 of the file, hexadecimal. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(model: ListedModel, sha256: str) -> None:
    """Raises ``PullFailed`` where ``sha256`` is not the manifest's."""
    if sha256 != model.sha256.lower():
        raise PullFailed(
            "hash_wrong",
            f"{model.label}: what arrived has SHA-256 {sha256}, the manifest says {model.sha256.lower()}",
            remedy="check the source and its revision; nothing of the file was kept",
        )


def check_type(model: ListedModel, head: bytes) -> None:
    """Raises ``PullFailed`` where a file that calls itself safetensors or GGUF starts like something else.

    A pickle under such a name would otherwise pass for a safe file.
    """
    suffix = Path(model.name).suffix.lower()
    if suffix in _SAFETENSORS:
        header_bytes = int.from_bytes(head[:8], "little")
        sound = head[8:9] == b"{" and 8 + header_bytes <= model.size_bytes
    else:
        sound = suffix != ".gguf" or head[:4] == b"GGUF"
    if not sound:
        message = f"{model.label}: the file at its source is not {suffix[1:]}, whatever its name says"
        raise PullFailed("type_wrong", message, remedy="take the source's safetensors version")
