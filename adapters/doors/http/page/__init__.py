"""The page at ``/`` and ``/page``: static files that talk to the native API."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, RedirectResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob: https:; media-src 'self' data: blob: https:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

home = APIRouter()
router = APIRouter()
files = Mount("/page", StaticFiles(directory=_STATIC), name="page")


@home.get("/", include_in_schema=False)
@router.get("/page", include_in_schema=False)
def index() -> FileResponse:
    """The page itself. Everything that it loads comes from this server."""
    return FileResponse(_STATIC / "index.html", headers={"Content-Security-Policy": _POLICY})


@router.get("/page/", include_in_schema=False)
@router.get("/page/index.html", include_in_schema=False)
def elsewhere() -> RedirectResponse:
    """To where the page's own addresses, which are relative, are right, behind a proxy's prefix as well."""
    return RedirectResponse("../page")
