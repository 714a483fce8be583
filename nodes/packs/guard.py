"""What a pack may not do while it is imported: install packages, talk to the network, end the process."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from typing import Any
from unittest import mock

_CHANGES = frozenset({"install", "uninstall", "download", "clone", "pull", "add", "remove", "sync"})
_INSTALLERS = frozenset({"pip", "pip3", "uv", "conda", "mamba", "git", "npm", "apt-get", "winget"})


class Refused(Exception):
    """A pack tried what it is not let. Packs that can do without go on."""


@contextlib.contextmanager
def importing(blocked: list[str], *, network: bool = False) -> Iterator[None]:
    """Refuse installers and, unless ``network``, connections to other machines; ``blocked`` is told of each.

    It speaks for this process, so that packs are imported one at a time.
    """
    popen, connect = subprocess.Popen.__init__, socket.socket.connect

    def start(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        words = args.split() if isinstance(args, str) else [str(word) for word in args]
        names = {word.replace("\\", "/").rpartition("/")[2] for word in words[:4]}
        if names & _INSTALLERS and not _CHANGES.isdisjoint(words):
            blocked.append(f"installing: {' '.join(words)[:200]}")
            raise Refused("packs install nothing while they are imported; install it yourself")
        popen(self, args, *rest, **options)

    def connected(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_local(address):
            blocked.append(f"network: {address[0]}")
            raise ConnectionRefusedError("packs use no network while they are imported")
        connect(self, address)

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(subprocess.Popen, "__init__", start))
        if not network:
            patches.enter_context(mock.patch.object(socket.socket, "connect", connected))
            patches.enter_context(mock.patch.object(socket, "getaddrinfo", _resolver(blocked, socket.getaddrinfo)))
        yield


def _resolver(blocked: list[str], resolve: Any) -> Any:
    def resolved(host: Any, *rest: Any, **options: Any) -> Any:
        if not _is_local((host,)):
            blocked.append(f"network: {host}")
            raise socket.gaierror(socket.EAI_NONAME, "packs use no network while they are imported")
        return resolve(host, *rest, **options)

    return resolved


def _is_local(address: Any) -> bool:
    host = str(address[0]) if isinstance(address, tuple) else str(address)
    return host in ("localhost", "::1", "None", "") or host.startswith("127.")
