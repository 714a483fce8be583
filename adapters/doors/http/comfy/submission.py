"""``POST /prompt``'s document as a job: read, checked, and only the outputs wanted that can run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.doors.http.comfy.prompt_errors import node_errors, refusal
from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.errors import PromptRefused
from adapters.service.prepare.foretelling import Bounds
from adapters.service.prepare.preparing import Preparation
from adapters.service.store.records import NewJob
from engine.collection import collection_paused
from engine.folders import Folders
from engine.registry import Registry
from engine.schema import NodeSpec
from engine.strict_json import is_finite
from engine.validate import Checked
from engine.workflow import Workflow

# Keys for paid services, which have no use here and are not to be stored.
_SECRETS = frozenset({"auth_token_comfy_org", "api_key_comfy_org"})
_TARGETS = "send the ids of output nodes as texts, or leave it out to run all of them"
_MAX_ID = 64
_MAX_CLIENT_ID = 200


@dataclass(frozen=True, slots=True)
class Submission:
    """``node_errors``: what is wrong with the outputs that are left out."""

    job: NewJob
    node_errors: dict[str, Any]


def read_submission(
    body: Mapping[str, Any],
    registry: Registry,
    folders: Folders,
    blobs: BlobStore,
    settings: Settings,
    owner: str,
    bounds: Bounds,
) -> Submission:
    """Raises ``PromptRefused`` where nothing of it can run, ``GraphInvalid`` and ``WorkflowUnreadable``."""
    prompt = body.get("prompt")
    if not isinstance(prompt, Mapping):
        raise PromptRefused("no_prompt", "the request has no prompt", "send a workflow in API form as 'prompt'")
    if not prompt:
        raise PromptRefused(
            "prompt_no_outputs", "the workflow has no nodes", "add one that saves or shows, such as SaveImage"
        )
    prompt_id, client_id = _text(body, "prompt_id", _MAX_ID), _text(body, "client_id", _MAX_CLIENT_ID)
    number, extra = _number(body), _object(body, "extra_data")
    targets = _targets(body)
    prepared = Preparation(registry, folders, blobs, bounds, _outputs_among).prepare(prompt, targets=targets)
    with collection_paused():
        errors = node_errors(prepared.workflow, prepared.checked, registry, folders)
    _require_outputs(prepared.checked, errors)
    job = NewJob(
        prompt=prepared.prompt,
        extra_pnginfo=_object(extra, "extra_pnginfo") or prepared.workflow.extra_pnginfo,
        targets=prepared.checked.outputs,
        id=prompt_id,
        source="comfyui",
        owner=owner,
        space=folders.space,
        client_id=_text(extra, "client_id", _MAX_CLIENT_ID) if client_id is None else client_id,
        rank=number,
        front=number is None and bool(body.get("front")),
        max_attempts=settings.max_attempts,
        time_limit_s=settings.time_limit_s,
        needs=prepared.needs(registry, folders),
        options={"extra_data": _kept(extra), "previews": _previews(extra), "notes": list(prepared.notes)},
    )
    return Submission(job, errors)


def _outputs_among(targets: Sequence[str], workflow: Workflow, registry: Mapping[str, NodeSpec]) -> tuple[str, ...]:
    """As in ComfyUI, targets choose among the output nodes; what else is named is of no account."""
    chosen = frozenset(targets)
    return tuple(
        node_id
        for node_id, node in workflow.nodes.items()
        if node_id in chosen and (spec := registry.get(node.class_type)) is not None and spec.output_node
    )


def _require_outputs(checked: Checked, errors: dict[str, Any]) -> None:
    unknown = any(problem.code in ("missing_node_type", "invalid_prompt") for problem in checked.problems)
    if unknown or not checked.outputs:
        raise refusal(checked.problems, errors)


def _targets(body: Mapping[str, Any]) -> list[str] | None:
    found = body.get("partial_execution_targets")
    if found is None:
        return None
    if not isinstance(found, list):
        what = f"'partial_execution_targets' is {_kind(found)}, not an array of node ids"
        raise PromptRefused("invalid_prompt", what, _TARGETS)
    for number, one in enumerate(found):
        if isinstance(one, bool) or not isinstance(one, str | int):
            what = f"'partial_execution_targets[{number}]' is {_kind(one)}, not a node's id"
            raise PromptRefused("invalid_prompt", what, _TARGETS)
    return [str(one) for one in found]


def _kind(value: object) -> str:
    """What JSON calls it."""
    names = {dict: "an object", list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _number(body: Mapping[str, Any]) -> float | None:
    if "number" not in body:
        return None
    try:
        number = float(body["number"])
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise PromptRefused("invalid_prompt", "'number' is not a finite number", "leave it out to join the queue's end")
    return number


def _text(body: Mapping[str, Any], key: str, limit: int) -> str | None:
    found = body.get(key)
    if found is None:
        return None
    text = str(found) if isinstance(found, str | int) else ""
    if not text or len(text) > limit or not text.isprintable():
        raise PromptRefused("invalid_prompt", f"'{key}' is not a text of 1 to {limit} printable characters")
    if key == "prompt_id" and ("/" in text or text in (".", "..")):
        what = f"'{key}' is '{text}', which cannot stand in the addresses of a job's routes"
        raise PromptRefused("invalid_prompt", what, "take letters, digits and hyphens, or leave it out")
    return text


def _object(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = body.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise PromptRefused("invalid_prompt", f"'{key}' is not an object")
    if not is_finite(found):
        raise PromptRefused("invalid_prompt", f"'{key}' holds NaN or Infinity", "write finite numbers")
    return found


def _kept(extra: Mapping[str, Any]) -> dict[str, Any]:
    elsewhere = _SECRETS | {"extra_pnginfo", "client_id"}
    return {key: value for key, value in extra.items() if key not in elsewhere}


def _previews(extra: Mapping[str, Any]) -> bool | str:
    """``all`` sends unfinished pictures to every client, also to those that have not announced to take them."""
    method = extra.get("preview_method")
    return method != "none" if method in (None, "default", "none") else "all"
