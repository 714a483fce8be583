"""ComfyUI's own front end, served where it is asked for: a folder of its files, or the installed package.

It is a package of its own (``comfyui-frontend-package``), under its own licence; templates come from
``comfyui-workflow-templates``, where that is installed too.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from adapters.service.errors import NotFound
from engine.errors import DagfusionError

FRONTEND_VERSION = "1.49.6"
"""That ComfyUI 0.33.0 asks for."""

INSTALLED = "installed"
_PACKAGE = "comfyui_frontend_package"
_NO_TEMPLATES: dict[str, object] = {"index.json": [], "index_logo.json": {}}


def installed(package: str) -> str | None:
    """The version of a package, where it is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def folder_of(frontend: str) -> Path:
    """Where the front end's files are. Raises ``DagfusionError`` where there are none."""
    if frontend == INSTALLED:
        found = find_spec(_PACKAGE)
        places = list(found.submodule_search_locations or ()) if found else []
        if not places:
            remedy = "install it (pip install 'dagfusion[frontend]'), or name a folder of its files"
            raise DagfusionError("comfyui-frontend-package is not installed", remedy=remedy)
        folder = Path(places[0]) / "static"
    else:
        folder = Path(frontend)
    if not (folder / "index.html").is_file():
        raise DagfusionError(f"'{frontend}' has no index.html", remedy="--frontend takes a folder of the front end")
    return folder


def page(folder: Path) -> APIRouter:
    """The front end's page, in the place of this service's own, which stays at ``/page``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def index() -> FileResponse:
        return FileResponse(folder / "index.html", headers={"Cache-Control": "no-cache"})

    return router


def files(folder: Path) -> Mount:
    """All else that the front end loads; comes after all other routes."""
    return Mount("/", StaticFiles(directory=folder), name="frontend")


templates = APIRouter(include_in_schema=False)


@templates.get("/templates/{name:path}")
def get_template(name: str) -> Response:
    """A file of ComfyUI's templates; lists of none, where they are not installed."""
    path = _templates().get(name)
    if path is not None:
        return FileResponse(path)
    if name in _NO_TEMPLATES:
        return JSONResponse(_NO_TEMPLATES[name])
    raise NotFound("there is no such template")


@cache
def _templates() -> dict[str, Path]:
    """The templates' files by name, of whichever of their packages are installed."""
    found: dict[str, Path] = {}
    for package in _TEMPLATE_PACKAGES:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            folder = Path(place) / "templates"
            found |= {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return found


_TEMPLATE_PACKAGES = (
    "comfyui_workflow_templates",
    "comfyui_workflow_templates_core",
    "comfyui_workflow_templates_json",
    *(f"comfyui_workflow_templates_media_{kind}" for kind in ("api", "image", "video", "other")),
    *(f"comfyui_workflow_templates_media_assets_{number:02}" for number in (1, 2)),
)
