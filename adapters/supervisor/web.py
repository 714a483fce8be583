"""Runs the web process (``python -m adapters.supervisor.web FD``): uvicorn on the supervisor's listening socket."""

from __future__ import annotations

import os
import socket
import sys

from adapters.lifeline import on_parents_end
from adapters.logs import set_up_logging
from adapters.settings import read_settings
from adapters.supervisor.exit_codes import WRONG_SETTING
from engine.errors import DagfusionError

_GRACE_S = 5  # for answers that are under way when the process is told to stop


def main(descriptor: int) -> None:
    """Serve until SIGTERM, or until the supervisor is gone."""
    settings = read_settings({})
    set_up_logging(settings.log_format, "web")
    on_parents_end(lambda: os._exit(1))
    import uvicorn

    from adapters.server.app import create_app
    from adapters.server.sockets import uvicorn_options

    try:
        app = create_app(settings)
    except DagfusionError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - before there is anybody to answer
        raise SystemExit(WRONG_SETTING) from None
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        **uvicorn_options(settings),
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
