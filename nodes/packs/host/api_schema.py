"""``comfy_api.latest.io``, classes: a V3 class, its schema, what it is filled with and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


class Hidden:
    """What the host fills in."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"  # noqa: S105 - a name
    api_key_comfy_org = "API_KEY_COMFY_ORG"


@dataclass
class Schema:
    """What a class is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Any] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    search_aliases: list[str] = field(default_factory=list)
    essentials_category: str | None = None
    has_intermediate_output: bool = False
    price_badge: Any = None


class NodeOutput:
    """What a class returns."""

    is_node_output = True

    def __init__(self, *args: Any, ui: Any = None, expand: Any = None, block_execution: str | None = None) -> None:
        self.args, self.ui, self.expand, self.block_execution = args, ui, expand, block_execution

    @property
    def result(self) -> tuple[Any, ...]:
        """The outputs' values."""
        return self.args

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class _HiddenValues:
    """The hidden values of a call, by attribute."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update({str(name).lower(): value for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


class ComfyNode:
    """A class of nodes: ``define_schema`` and ``execute``, without state."""

    hidden: ClassVar[Any] = _HiddenValues({})

    @classmethod
    def define_schema(cls) -> Schema:
        """What it is."""
        raise NotImplementedError(f"{cls.__name__} has no define_schema")  # told as why the class is left out

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        """What it says it is."""
        return cls.define_schema()

    @classmethod
    def bound_to(cls, hidden: Mapping[str, Any]) -> Any:
        """The class for one call, with its hidden values."""
        return type(cls.__name__, (cls,), {"hidden": _HiddenValues(hidden), "__module__": cls.__module__})

    @classmethod
    def validate_inputs(cls, **_: Any) -> Any:
        """Whether the values are taken: all, unless a class says otherwise."""
        return True

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> Any:
        """What else its result depends on: nothing, unless a class says otherwise."""
        return None

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """The inputs that it needs: all, unless a class says otherwise."""
        return [name for name, value in inputs.items() if value is None]


for _inherited in ("validate_inputs", "fingerprint_inputs", "check_lazy_status"):
    getattr(ComfyNode, _inherited).__func__.inherited = True
