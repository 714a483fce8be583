"""What ``POST /prompt`` says of a workflow that cannot run, or not all of it: ``error`` and ``node_errors``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from adapters.doors.http.comfy.error_types import error_object
from adapters.doors.http.statuses import status_of
from adapters.host.paths import hide_paths
from adapters.service.errors import PromptRefused
from engine.counted import counted
from engine.errors import DagfusionError, GraphInvalid, Problem
from engine.folders import Folders
from engine.object_info import object_info
from engine.registry import Registry
from engine.validate import Checked, dependent_outputs
from engine.workflow import Workflow

# Longer lists of choices are not sent back.
_MAX_CHOICES = 20
_MAX_LOOKS = 500_000
_WITH_CONFIG = ("value_", "invalid_input_type", "return_type_mismatch", "bad_linked_input")


class Configs:
    """What ``/object_info`` says of single inputs; each class is looked up once."""

    def __init__(self, registry: Registry, folders: Folders) -> None:
        self._registry, self._folders = registry, folders
        self._inputs: dict[str, dict[str, Any]] = {}

    def of(self, class_type: str, name: str) -> list[Any] | None:
        """``None`` for what is not known, and for long lists of choices."""
        if class_type not in self._inputs:
            spec = self._registry.get(class_type)
            groups = {} if spec is None else object_info(spec, self._folders)["input"]
            self._inputs[class_type] = {**groups.get("required", {}), **groups.get("optional", {})}
        config: list[Any] | None = self._inputs[class_type].get(name)
        long = config is not None and isinstance(config[0], list) and len(config[0]) > _MAX_CHOICES
        return None if long else config


def refusal(problems: Sequence[Problem], errors: dict[str, Any]) -> PromptRefused:
    """The error for ``problems``, by what ComfyUI would find first."""
    for problem in problems:
        if problem.code in ("missing_node_type", "invalid_prompt"):
            info = {"node_id": problem.node_id, "class_type": problem.class_type}
            message = f"{problem.where}: {problem.message}"
            return PromptRefused("invalid_prompt", message, problem.remedy, extra_info=info, node_errors=errors)
    for problem in problems:
        if problem.code == "prompt_no_outputs":
            return PromptRefused(problem.code, problem.message, problem.remedy)
    details = str(hide_paths("\n".join(str(problem) for problem in problems)))
    count = len(errors)
    message = f"{counted(count, 'node')} of the workflow cannot run"
    return PromptRefused("prompt_outputs_failed_validation", message, details, node_errors=errors)


def node_errors(workflow: Workflow, checked: Checked, registry: Registry, folders: Folders) -> dict[str, Any]:
    """By node id, what is wrong with the node and which outputs need it."""
    if not checked.problems:
        return {}
    wanted = [i for i, node in workflow.nodes.items() if (s := registry.get(node.class_type)) and s.output_node]
    # Looked at output by output: of a giant graph, only as many as this takes a moment for.
    needed_by = dependent_outputs(checked, wanted[: _MAX_LOOKS // max(1, len(checked.reads))])
    configs = Configs(registry, folders)
    found: dict[str, Any] = {}
    for problem in checked.problems:
        if problem.node_id is None:
            continue
        entry = found.setdefault(
            problem.node_id,
            {
                "errors": [],
                "dependent_outputs": needed_by.get(problem.node_id, []),
                "class_type": problem.class_type or "",
            },
        )
        entry["errors"].append(_node_error(problem, workflow, configs))
    return found


def reply(error: DagfusionError) -> tuple[int, dict[str, Any]]:
    """Status and body for whatever ``POST /prompt`` refuses: ComfyUI says 400 wherever the request is to blame."""
    if isinstance(error, PromptRefused):
        told = {"type": error.kind, "message": error.message, "details": error.remedy, "extra_info": error.extra_info}
        return 400, {"error": told, "node_errors": error.node_errors}
    body = {"error": error_object(error), "node_errors": {}}
    if isinstance(error, GraphInvalid):  # Nodes that are none, told of while the document is read.
        body["error"]["type"] = "invalid_prompt"
        body["node_errors"] = {
            p.node_id: {"errors": [_plain_error(p)], "dependent_outputs": [], "class_type": p.class_type or ""}
            for p in error.problems
            if p.node_id is not None
        }
    status = status_of(error)
    return 400 if status == 422 else status, body


def _node_error(problem: Problem, workflow: Workflow, configs: Configs) -> dict[str, Any]:
    told = _plain_error(problem)
    node = workflow.nodes.get(problem.node_id or "")
    if node is None or problem.input is None:
        return told
    info = told["extra_info"] = {"input_name": problem.input}
    if problem.code.startswith(_WITH_CONFIG):
        info["input_config"] = configs.of(problem.class_type or "", problem.input)
        info["received_value"] = node.inputs.get(problem.input)
        if isinstance(info["received_value"], list):
            info["linked_node"] = info["received_value"]
    return told


def _plain_error(problem: Problem) -> dict[str, Any]:
    place = problem.input or ""
    details = f"{place}: {problem.remedy}" if place and problem.remedy else place or problem.remedy
    told = {"type": problem.code, "message": problem.message, "details": details, "extra_info": {}}
    return cast(dict[str, Any], hide_paths(told))
