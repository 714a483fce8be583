"""The socket that the service listens on: the supervisor's own, so that it outlives every web process."""

from __future__ import annotations

import socket

from engine.errors import DagfusionError

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises ``DagfusionError`` where the address is taken or is not this machine's."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        raise DagfusionError(
            f"port {port} of {host} cannot be listened on: {error.strerror or error}",
            remedy="choose others with --host and --port, or stop the program that has it",
        ) from error


def url_of(listener: socket.socket, host: str) -> str:
    """Where a browser on this machine finds it."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{shown}]:{port}" if ":" in shown and not shown.startswith("[") else f"http://{shown}:{port}"


_PASSIVE = socket.AI_PASSIVE
