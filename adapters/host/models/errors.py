"""What goes wrong with a manifest and with the files that it lists."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Literal

from engine.errors import DagfusionError

Code = Literal[
    "differs",  # a file of this name is here, with other contents
    "disk_full",
    "hash_wrong",
    "missing",  # at its source, or (verify) here
    "not_writable",
    "refused",  # by the source, for a reason that no token cures
    "size_wrong",
    "token_missing",
    "token_refused",
    "type_wrong",  # the contents are not what the name says
    "unreachable",
]
_OS_CODES: dict[int, Code] = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.ENOENT: "missing",
}
_OS_REMEDIES: dict[Code, str] = {
    "disk_full": "make room, then pull again: it goes on where it stopped",
    "missing": "check the path in the manifest",
    "not_writable": "give a folder that this user may write to, with --models",
}


class ManifestInvalid(DagfusionError):
    """The manifest cannot be used as it stands; carries *all* problems."""

    def __init__(self, where: str, problems: Sequence[str], *, remedy: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__(f"{where}: " + "; ".join(self.problems), remedy=remedy)


class PullFailed(DagfusionError):
    """A listed file could not be had. ``code`` says for machines why."""

    def __init__(self, code: Code, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


def from_os_error(error: OSError, name: str) -> PullFailed:
    """The failure of reading or writing the files of the model ``name``."""
    code = _OS_CODES.get(error.errno or 0, "not_writable")
    where = f" ({error.filename})" if error.filename else ""
    return PullFailed(code, f"{name}: {error.strerror or error}{where}", remedy=_OS_REMEDIES[code])


class ManifestUnmet(DagfusionError):
    """Files that the manifest lists are not there, or are not what it says."""
