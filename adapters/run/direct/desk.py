"""Takes requests that are answered at once: their files fetched, their workflow made or read, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anyio.to_thread import run_sync

from adapters.host.loading import warm_names
from adapters.host.settings import Settings
from adapters.run.direct.runner import DirectRunner
from adapters.service.errors import RequestInvalid
from adapters.service.intake.take import Intake, IntakeLimits
from adapters.service.outbound.client import OutboundClient
from adapters.service.outbound.policy import AddressPolicy, AllowList
from adapters.service.prepare.foretelling import Bounds
from adapters.service.prepare.generate.compose import compose
from adapters.service.prepare.preparing import Preparation
from adapters.service.prepare.requests import PictureInput, RunRequest, WorkflowInput
from engine.errors import GraphInvalid


@dataclass(frozen=True, slots=True)
class Order:
    """A request that can run. ``document``: for the runner. ``seed``: of a picture by plain parameters.

    ``notes``: what of the request had no effect.
    """

    document: Mapping[str, Any]
    notes: tuple[str, ...]
    seed: int | None


class Desk:
    """Takes requests for the engine of this process."""

    def __init__(self, settings: Settings, runner: DirectRunner) -> None:
        self._settings, self._folders = settings, runner.engine.folders
        self._preparation = Preparation(
            runner.engine.registry, runner.engine.folders, runner.blobs, Bounds.of(settings)
        )
        outbound = OutboundClient(AddressPolicy(AllowList.parse(settings.allowed_hosts)))
        self._intake = Intake(runner.blobs, outbound, IntakeLimits.of(settings))

    async def take(self, job_id: str, request: WorkflowInput | PictureInput, *, previews: bool) -> Order:
        """Raises ``GraphInvalid``, ``RequestInvalid``, and what taking files and preparing raise."""
        seed: int | None = None
        if isinstance(request, PictureInput):
            made = await run_sync(compose, request, self._folders, warm_names(self._settings))
            seed, notes = made.seed, made.notes
            files = await self._intake.take(made.files)
            prepared = await run_sync(self._preparation.prepare, made.nodes, files)
        else:
            notes = request.notes
            files = await self._intake.take(request.sources)
            prepared = await run_sync(
                self._preparation.prepare, request.workflow, files, request.overrides, request.targets
            )
        if prepared.checked.problems:
            raise GraphInvalid(prepared.checked.problems)
        document = {
            "id": job_id,
            "prompt": prepared.prompt,
            "extra_pnginfo": prepared.workflow.extra_pnginfo,
            "targets": prepared.targets,
            "files": [asdict(file) for file in files],
            "options": {"previews": previews if request.previews is None else request.previews},
            "time_limit_s": self._time_limit_s(request),
        }
        return Order(document, (*notes, *prepared.notes), seed)

    def _time_limit_s(self, request: RunRequest) -> float:
        limit = self._settings.time_limit_s
        if request.time_limit_s is not None and request.time_limit_s > limit:
            raise RequestInvalid(
                f"time_limit_s: {request.time_limit_s:g} is more than {limit:g}", remedy="ask for less"
            )
        return request.time_limit_s or limit
