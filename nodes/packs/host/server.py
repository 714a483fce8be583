"""``server``: packs' own routes and messages go nowhere, since they run in workers, away from the web process."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class _Routes:
    """Takes routes and serves none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._declare

    @staticmethod
    def _declare(*_: Any, **__: Any) -> Callable[[Any], Any]:
        return lambda handler: handler


class _App:
    """A web application that is never served."""

    frozen = False

    def __init__(self) -> None:
        self.middlewares: list[Any] = []
        self.on_startup: list[Any] = []
        self.on_shutdown: list[Any] = []

    @property
    def router(self) -> _App:
        """Takes routes as the application does."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


class BinaryEventTypes:
    """Kinds of binary messages."""

    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3


class PromptServer:
    """The one server, as packs see it."""

    instance: PromptServer

    def __init__(self) -> None:
        self.routes = _Routes()
        self.app = _App()
        self.client_id = self.last_node_id = self.last_prompt_id = None
        self.address, self.port, self.number = "127.0.0.1", 8188, 0
        self.supports: list[str] = []
        self.on_prompt_handlers: list[Any] = []
        self.prompt_queue = SimpleNamespace(
            currently_running={},
            queue=[],
            history={},
            get_tasks_remaining=lambda: 0,
            get_current_queue=lambda: ([], []),
        )
        self.loop = None

    def send_sync(self, *_: Any, **__: Any) -> None:
        """Nobody hears it."""

    async def send(self, *_: Any, **__: Any) -> None:
        """Nobody hears it."""

    def send_progress_text(self, text: str, node_id: Any = None, sid: Any = None) -> None:
        """Told to whoever watches the run."""
        from nodes.packs.running import context_or_none

        ctx = context_or_none()
        if ctx is not None:
            ctx.note(str(text))

    def queue_updated(self) -> None:
        """Nothing to do."""

    def add_on_prompt_handler(self, handler: Any) -> None:
        """Requests are not changed by packs."""
        self.on_prompt_handlers.append(handler)


PromptServer.instance = PromptServer()
