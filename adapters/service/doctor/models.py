"""The files of the manifest: whether they are here, by name and size."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.host.models.errors import ManifestInvalid
from adapters.host.models.places import Places
from adapters.host.models.reading import read_manifest
from adapters.host.models.verify import REMEDIES, survey
from adapters.service.doctor.findings import Examined, Finding, gigabytes
from engine.errors import DagfusionError

GROUP = "models"


def models(around: Examined) -> Iterator[Finding]:
    """One line for what is right, one for each file that is not. Hashes are `dagfusion models verify`'s business."""
    if around.manifest is None:
        yield Finding(GROUP, "manifest", "ok", "none (optional)")
        return
    try:
        listed = read_manifest(around.manifest).models
        verdicts = survey(listed, Places.from_settings(around.settings))
    except ManifestInvalid as error:
        yield Finding(GROUP, "manifest", "fail", error.message, error.remedy)
        return
    except DagfusionError as error:
        yield Finding(GROUP, "manifest", "fail", f"{around.manifest}: {error.message}", error.remedy)
        return
    right = [verdict for verdict in verdicts if verdict.state == "ok"]
    size = gigabytes(sum(verdict.model.size_bytes for verdict in right))
    yield Finding(GROUP, "manifest", "ok", f"{around.manifest}: {len(right)} of {len(verdicts)} files here, {size}")
    for verdict in verdicts:
        if verdict.state != "ok":
            yield Finding(GROUP, verdict.model.label, "fail", verdict.state, REMEDIES[verdict.state])
