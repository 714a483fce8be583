"""Runs the web process (``python -m adapters.doors.http.process FD ...``): uvicorn on the supervisor's sockets."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvicorn

from adapters.doors.http.early import Early
from adapters.doors.http.sockets import SocketLimits, uvicorn_options
from adapters.host.lifeline import on_parents_end

if TYPE_CHECKING:
    from fastapi import FastAPI

_GRACE_S = 5  # for answers that are under way when the process is told to stop


def main(descriptors: Sequence[int]) -> None:
    """Serve on these sockets until SIGTERM, or until the supervisor is gone."""
    on_parents_end(lambda: os._exit(1))
    limits = SocketLimits()
    config = uvicorn.Config(
        Early(lambda: _load(limits)),
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        **uvicorn_options(limits),
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor) for descriptor in descriptors])


def _load(limits: SocketLimits) -> FastAPI:
    from adapters.host.logs import set_up_logging
    from adapters.host.settings import read_settings

    settings = read_settings({})
    set_up_logging(settings.log_format, "web")
    limits.follow(settings)
    from adapters.doors.http.app import create_app

    return create_app(settings)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
