"""``OPTIONS`` on any route: answered with 200 and nothing, as ComfyUI does.

What other sites' pages may do is not in it: that is said by the headers that ``cors_origins`` asks for.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class AnswersOptions:
    """Middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await Response()(scope, receive, send)
            return
        await self._app(scope, receive, send)
