"""What a pack may not do while it is imported: install packages, and talk to other machines."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_INSTALLERS = frozenset({"pip", "pip3", "uv", "conda", "mamba", "git", "npm", "apt-get", "winget"})
_CHANGES = frozenset({"install", "uninstall", "download", "clone", "pull", "add", "remove", "sync"})


class Refused(Exception):
    """A pack tried what it is not let. Packs that can do without go on."""


@contextmanager
def importing(blocked: list[str], *, network: bool = False) -> Iterator[None]:
    """Refuse installers and, unless ``network``, other machines to this thread; ``blocked`` is told of each.

    Other threads go on as they were: those of a worker talk to its database meanwhile. One import at a time.
    """
    thread = threading.get_ident()
    popen, connect, resolve = subprocess.Popen.__init__, socket.socket.connect, socket.getaddrinfo

    def start(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        if threading.get_ident() == thread and (what := _installation(args)):
            blocked.append(f"installing: {what[:200]}")
            raise Refused("packs install nothing while they are imported; install it yourself")
        popen(self, args, *rest, **options)

    def connected(self: socket.socket, address: Any) -> None:
        if threading.get_ident() == thread and self.family != socket.AF_UNIX and not _is_local(address[0]):
            blocked.append(f"network: {address[0]}")
            raise ConnectionRefusedError("packs use no network while they are imported")
        connect(self, address)

    def resolved(host: Any, *rest: Any, **options: Any) -> Any:
        if threading.get_ident() == thread and not _is_local(host):
            blocked.append(f"network: {host}")
            raise socket.gaierror(socket.EAI_NONAME, "packs use no network while they are imported")
        return resolve(host, *rest, **options)

    replaced: list[tuple[Any, str, Any, Any]] = [(subprocess.Popen, "__init__", popen, start)]
    if not network:
        replaced += [(socket.socket, "connect", connect, connected), (socket, "getaddrinfo", resolve, resolved)]
    for owner, name, _, ours in replaced:
        setattr(owner, name, ours)
    try:
        yield
    finally:
        for owner, name, theirs, _ in replaced:
            setattr(owner, name, theirs)


def _installation(args: Any) -> str:
    """The command, where it installs something; else empty."""
    words = args.split() if isinstance(args, str) else [str(word) for word in args]
    names = {word.replace("\\", "/").rpartition("/")[2] for word in words[:4]}
    return " ".join(words) if names & _INSTALLERS and not _CHANGES.isdisjoint(words) else ""


def _is_local(host: Any) -> bool:
    return host is None or str(host) in ("localhost", "::1", "") or str(host).startswith("127.")
