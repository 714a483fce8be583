"""A network between a client and a server on a Unix socket, which a test can cut: what is sent then goes nowhere."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


class Network:
    """Carries what comes to ``port`` of 127.0.0.1 to the socket at ``server``, and back, until it is cut.

    Cut, it takes connections and bytes and passes nothing on, and nobody hears of it; the connections of before that
    stay dead when it is whole again, as after a firewall has forgotten them.
    """

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._is_cut = threading.Event()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Pass nothing on meanwhile."""
        self._is_cut.set()
        try:
            yield
        finally:
            self._is_cut.clear()

    def close(self) -> None:
        """End all connections."""
        self._closed.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with ExitStack() as ends, suppress(OSError):
            ends.enter_context(client)
            server = ends.enter_context(socket.socket(socket.AF_UNIX))
            server.connect(str(self._server))
            other = {client: server, server: client}
            dead = False
            while not self._closed.is_set():
                ready = select.select([client] if dead else [client, server], [], [], 0.1)[0]
                dead = dead or self._is_cut.is_set()
                for side in ready:
                    piece = side.recv(65536)
                    if not piece:
                        return
                    if not dead:
                        other[side].sendall(piece)
