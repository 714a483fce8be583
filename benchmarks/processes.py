"""Which processes a server of this machine consists of, and what memory they hold."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import psutil

MIB = 2**20


def listening_at(url: str) -> psutil.Process | None:
    """The process of this machine that listens there, the first of those that share the socket; None for none."""
    parts = urlsplit(url)
    if not _is_here(parts.hostname or ""):
        return None
    port = parts.port or 80
    with suppress(psutil.Error):
        for process_id in {one.pid for one in psutil.net_connections("tcp") if one.pid and _listens(one, port)}:
            process = psutil.Process(process_id)
            while (parent := process.parent()) is not None and _has_socket(parent, port):
                process = parent
            return process
    return None


def _has_socket(process: psutil.Process, port: int) -> bool:
    try:
        return any(_listens(one, port) for one in process.net_connections("tcp"))
    except psutil.Error:
        return False


def _listens(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port)


def held_mib(process: psutil.Process) -> float:
    """Memory of the process and its children, where pages that several share count once (PSS, where there is that)."""
    family = [process, *process.children(recursive=True)]
    return sum(map(_held_bytes, family)) / MIB


def _held_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", 0) or memory.rss)
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
