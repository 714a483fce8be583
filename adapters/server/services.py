"""What the routes need, made once when the web process starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from adapters.server.tail import Tail
from adapters.settings import Settings
from adapters.store import Store
from engine.folders import Folders
from engine.registry import Registry


@dataclass(frozen=True)
class Services:
    """``registry`` and ``folders`` serve checking and listing; nothing is computed here."""

    settings: Settings
    store: Store
    registry: Registry
    folders: Folders
    tail: Tail


def services(connection: HTTPConnection) -> Services:
    """The services of the application that answers; works for requests and for WebSockets."""
    found: Services = connection.app.state.services
    return found


ServicesNow = Annotated[Services, Depends(services)]
