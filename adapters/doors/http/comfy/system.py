"""What clients ask of the machine: its memory and devices, what the service can do, and to free memory."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import psutil
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response

from adapters.doors.http.auth import Caller, require
from adapters.doors.http.comfy.bodies import read_object
from adapters.doors.http.comfy.features import server_features
from adapters.doors.http.comfy.replies import WireJSON
from adapters.doors.http.frontend import FRONTEND_VERSION, installed
from adapters.doors.http.services import ServicesNow
from adapters.service.store.records import WorkerRecord
from adapters.service.store.workers import FREE_CACHE, FREE_MODELS
from nodes import COMFYUI_VERSION

router = APIRouter()
_Reader = Annotated[Caller, Depends(require("read"))]


@router.api_route("/system_stats", methods=["GET", "HEAD"])
def get_system_stats(now: ServicesNow, _: _Reader) -> WireJSON:
    """Memory of this machine, and the device of each worker. ``comfyui_version`` is that of the protocol."""
    memory = psutil.virtual_memory()
    system = {
        "os": sys.platform,
        "ram_total": memory.total,
        "ram_free": memory.available,
        "comfyui_version": COMFYUI_VERSION,
        "required_frontend_version": FRONTEND_VERSION,
        "installed_templates_version": installed("comfyui-workflow-templates"),
        "required_templates_version": None,
        "comfy_package_versions": [],
        "deploy_environment": "local",
        "dagfusion_version": version("dagfusion"),
        "python_version": sys.version,
        "pytorch_version": version("torch"),
        "embedded_python": False,
        "argv": ["dagfusion", "serve"],
    }
    workers = now.store.workers.alive(now.settings.lease_s)
    return WireJSON({"system": system, "devices": [_device(worker) for worker in workers if "device" in worker.info]})


@router.get("/features")
def get_features(now: ServicesNow, _: _Reader) -> WireJSON:
    """What the service can do."""
    return WireJSON(server_features(now.settings))


@router.get("/extensions")
def get_extensions(_: _Reader) -> WireJSON:
    """Scripts for ComfyUI's own front end, of which there are none."""
    return WireJSON([])


@router.post("/free")
async def free(request: Request, now: ServicesNow, _: Annotated[Caller, Depends(require("admin"))]) -> Response:
    """``unload_models`` and ``free_memory``, for admins, since all share them: the workers free loaded models, and what
    they keep of earlier runs, before their next job. Nothing that a job needs is lost; it takes longer.
    """
    body = await read_object(request, may_be_empty=True)
    everything = bool(body.get("free_memory"))
    asked = [FREE_CACHE] if everything else []
    if body.get("unload_models", everything):
        asked.append(FREE_MODELS)
    if asked:
        await run_sync(now.store.workers.ask, *asked)
    return Response()


def _device(worker: WorkerRecord) -> dict[str, Any]:
    memory = worker.info.get("memory", {})
    name = str(worker.info["device"])
    kind, _, index = name.partition(":")
    ram_total, ram_free = memory.get("ram_total_bytes", 0), memory.get("ram_available_bytes", 0)
    total, free_bytes = memory.get("vram_total_bytes", ram_total), memory.get("vram_free_bytes", ram_free)
    return {
        "name": worker.info.get("device_name", name),
        "type": kind,
        "index": int(index) if index.isdigit() else None,
        "vram_total": total,
        "vram_free": free_bytes,
        "torch_vram_total": memory.get("torch_reserved_bytes", total),
        "torch_vram_free": max(0, memory.get("torch_reserved_bytes", 0) - memory.get("torch_allocated_bytes", 0)),
    }
