"""What the app's functions and classes do, given the places, the settings and the volume; run in its containers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from adapters.doors.modal.commits import Commits
from adapters.doors.modal.container import GpuContainer
from adapters.doors.modal.places import MountedPaths, check_writable
from adapters.doors.modal.settings import ModalSettings
from adapters.doors.modal.shared_blobs import MountedVolume
from adapters.host.logs import set_up_logging
from adapters.service.blobs.errors import VolumeUnavailable
from engine.errors import DagfusionError

_log = logging.getLogger(__name__)


def gpu_container(
    places: MountedPaths, chosen: ModalSettings, volume: MountedVolume, retire: Callable[[], None], **more: Any
) -> GpuContainer:
    """The GPU container, not started yet. ``more``: settings that win over the environment's."""
    from adapters.doors.modal import sage

    settings = places.settings(**({"device": "cuda"} | more))
    set_up_logging(settings.log_format, "gpu")
    install = partial(sage.install, sage.wheel_folder(places.wheels, chosen.gpu[0]))
    return GpuContainer(places, settings, volume, retire, install=install)


def api(
    places: MountedPaths,
    chosen: ModalSettings,
    volume: MountedVolume,
    send: Callable[[Mapping[str, Any]], Iterator[Any]],
    cancel_call: Callable[[str], None],
) -> ASGIApp:
    """The API container's application."""
    from adapters.doors.modal.api import open_api

    return open_api(places, chosen, volume, send, cancel_call)


def api_max_containers(chosen: ModalSettings, database_url: str) -> int:
    """One, unless PostgreSQL lets several share the queue."""
    return chosen.api_max_containers if database_url else 1


def clean_up(places: MountedPaths, volume: MountedVolume) -> tuple[int, int]:
    """Jobs that were forgotten, and files that were removed. Raises ``DagfusionError``."""
    from adapters.doors.modal.cleanup import clean_volume

    settings = places.settings()
    set_up_logging(settings.log_format, "cleanup")
    check_writable(places.jobs)
    counts = clean_volume(settings, places.jobs / "queue")
    volume.commit()
    return counts


def pull_models(places: MountedPaths, volume: MountedVolume) -> list[dict[str, str]]:
    """A row of a table for each model, or one that says why nothing could be pulled."""
    from adapters.doors.modal.pulling import pull_into_volume
    from adapters.doors.modal.setup_check import SetupRow

    settings = places.settings(fingerprints=places.local / "fingerprints.json")
    set_up_logging(settings.log_format, "pull")
    commits = Commits(volume.commit)
    commits.start()
    try:
        check_writable(places.models)
        rows = pull_into_volume(settings, commits, _log.info)
    except DagfusionError as error:
        rows = [SetupRow("fail", "models", error.message, error.remedy)]
    finally:
        commits.close()
    return [asdict(row) for row in rows]


def examine(places: MountedPaths, device: str = "cuda") -> list[dict[str, str]]:
    """The rows of the table that ``verify_setup`` prints."""
    from adapters.doors.modal.setup_check import examine_container

    return examine_container(places, places.settings(device=device))


def build_sageattention(places: MountedPaths, chosen: ModalSettings, volume: MountedVolume) -> str:
    """The wheel's name. Raises ``DagfusionError``."""
    import torch

    from adapters.doors.modal import sage
    from adapters.doors.modal.start import GPU_REMEDY
    from adapters.host.gpu import check_gpu

    check_gpu("cuda", GPU_REMEDY)
    check_writable(places.models)
    folder = sage.wheel_folder(places.wheels, chosen.gpu[0])
    capability = torch.cuda.get_device_capability()
    wheel = sage.build(folder, chosen.sageattention, capability, sage.call_loudly)
    try:
        volume.commit()
    except Exception as error:
        raise VolumeUnavailable(f"the wheel could not be committed: {error}") from error
    return wheel.name
