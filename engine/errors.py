"""The error tree: everything that dagfusion raises on purpose.

Context (which node, which file) is added once, by the layer that knows it; causes are chained with ``raise ... from``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TAIL_SHARE = 4  # of a shortened text, a quarter is from its end
_MOST_TOLD = 100  # problems in one message; all of them are in the error
_MOST_NAME, _MOST_MESSAGE = 300, 4000  # characters; what is quoted of a workflow may be of any length


def shortened(text: str, most: int = 200) -> str:
    """``text``, or its beginning and end with its length between: at most ``most`` characters (100 or more)."""
    if len(text) <= most:
        return text
    gap = f" ... ({len(text):,} characters in all) ... "
    tail = (most - len(gap)) // _TAIL_SHARE
    return f"{text[: most - len(gap) - tail]}{gap}{text[len(text) - tail :]}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a workflow, found before anything runs.

    ``code`` is ComfyUI's wire code (``required_input_missing``, ``value_not_in_list`` ...), so that existing clients
    understand it; ``message`` says what is wrong, ``remedy`` what to do about it.
    """

    code: str
    message: str
    remedy: str = ""
    node_id: str | None = None
    class_type: str | None = None
    input: str | None = None

    def __post_init__(self) -> None:
        for name, most in (("message", _MOST_MESSAGE), ("remedy", _MOST_MESSAGE), ("class_type", _MOST_NAME)):
            said = getattr(self, name)
            if said is not None and len(said) > most:
                object.__setattr__(self, name, shortened(said, most))

    @property
    def where(self) -> str:
        """``node 3 (KSampler), input 'steps'``, or ``workflow`` for a problem of the whole document."""
        if self.node_id is None:
            return "workflow"
        node = f"node {self.node_id}" + (f" ({self.class_type})" if self.class_type else "")
        return f"{node}, input '{self.input}'" if self.input else node

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class DagfusionError(Exception):
    """Root of the tree. ``message`` is one clear sentence, ``remedy`` what the reader can do; both are bounded."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = shortened(message, _MOST_MESSAGE)
        self.remedy = shortened(remedy, _MOST_MESSAGE)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class WorkflowUnreadable(DagfusionError):
    """The document is no workflow: not JSON, too large, nested too deeply, of an unknown form."""


class GraphInvalid(DagfusionError):
    """The workflow is readable but cannot run; carries *all* problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        told = "; ".join(map(str, self.problems[:_MOST_TOLD]))
        super().__init__(f"{count} problem{'s' if count != 1 else ''}: {told}")


class InputInvalid(DagfusionError):
    """Raised by a node whose input cannot work, where no schema could tell beforehand."""

    def __init__(self, message: str, *, input: str | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.input = input


class ModelMissing(InputInvalid):
    """A model file that the workflow names is in none of the model folders."""


class ModelUnreadable(InputInvalid):
    """A model file is truncated, of another format than it claims, unsafe to load, or of an unknown family."""


class DeviceMemoryExhausted(DagfusionError):
    """The device ran out of memory and no smaller way of doing the same was left."""


class Cancelled(DagfusionError):
    """The run was cancelled; raised at the next check inside whatever node is running."""

    def __init__(self, message: str = "the run was cancelled") -> None:
        super().__init__(message)


class NodeFailed(DagfusionError):
    """A node raised. The original exception is ``__cause__``; ``inputs`` holds short texts of the node's inputs."""

    def __init__(self, node_id: str, class_type: str, cause: BaseException, inputs: Mapping[str, Any]) -> None:
        self.node_id = node_id
        self.class_type = class_type
        self.cause_type = type(cause).__name__
        self.input: str | None = getattr(cause, "input", None)
        self.inputs = dict(inputs)
        reason = getattr(cause, "message", None) or str(cause) or self.cause_type
        where = f"node {node_id} ({class_type})" + (f", input '{self.input}'" if self.input else "")
        super().__init__(f"{where}: {reason}", remedy=getattr(cause, "remedy", ""))


class OutOfMemory(NodeFailed):
    """A node ran out of device or host memory; the engine has freed its cache and can go on with the next run."""


def first_line(error: BaseException) -> str:
    """What somebody else's error says, in a line; the name of its class where it says nothing."""
    said = str(error).strip()
    return shortened(said.splitlines()[0], _MOST_MESSAGE) if said else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host had no memory left."""
    if isinstance(error, MemoryError | DeviceMemoryExhausted):
        return True
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    # For host memory torch has no class of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
