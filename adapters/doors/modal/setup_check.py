"""What a deployment has, examined in its containers, and printed as a table where it is deployed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from adapters.doors.modal.places import MountedPaths, check_writable
from adapters.doors.modal.start import GPU_REMEDY
from adapters.host.gpu import GpuMissing, check_gpu
from adapters.host.loading import load_registry
from adapters.host.settings import Settings
from adapters.service.blobs.errors import VolumeUnavailable
from adapters.service.doctor.examine import examine
from adapters.service.doctor.findings import Examined, Finding
from engine.errors import DagfusionError


@dataclass(frozen=True, slots=True)
class SetupRow:
    """One line of the table. ``status``: ok, warn or fail."""

    status: str
    what: str
    found: str
    remedy: str = ""


def examine_container(places: MountedPaths, settings: Settings) -> list[dict[str, str]]:
    """Volumes, models against the manifest, nodes, device, attention kernels; as plain data, which travels."""
    return [asdict(row) for row in _rows(places, settings)]


def _rows(places: MountedPaths, settings: Settings) -> Iterator[SetupRow]:
    try:
        check_writable(places.jobs)
        yield SetupRow("ok", "volume of jobs", f"{places.jobs} can be written to")
    except VolumeUnavailable as error:
        yield SetupRow("fail", "volume of jobs", error.message, error.remedy)
    yield _nodes(settings)
    try:
        check_gpu(settings.device, GPU_REMEDY)
    except GpuMissing as error:
        yield SetupRow("fail", "device GPU", error.message, error.remedy)
    for finding in examine(Examined(settings, settings.manifest)):
        yield _row(finding)


def _nodes(settings: Settings) -> SetupRow:
    try:
        return SetupRow("ok", "nodes", f"{len(load_registry(settings))} node classes")
    except DagfusionError as error:
        return SetupRow("fail", "nodes", error.message, error.remedy)


def _row(finding: Finding) -> SetupRow:
    return SetupRow(finding.status, f"{finding.group} {finding.name}", finding.value, finding.remedy)


def print_rows(rows: Sequence[dict[str, str]]) -> bool:
    """Print the table; whether nothing in it fails."""
    from adapters.host.tables import print_table

    print_table(
        ("status", "what", "found", "remedy"),
        [(row["status"], row["what"], row["found"], row["remedy"]) for row in rows],
        title="dagfusion on Modal",
    )
    return all(row["status"] != "fail" for row in rows)
