"""What a pack registers, as plain data: it is read once by a process of its own, and kept."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = 4
"""Descriptions of another format are read anew."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


class Files(_Data):
    """Choices that are the files of a folder: a kind of models, or ``input``; others stand before and after them."""

    kind: str
    before: list[str] = []
    after: list[str] = []


class PackInput(_Data):
    """One input. ``type``: INT, FLOAT, STRING, BOOLEAN, COMBO or the type of a link; ``options`` as the pack gave them.

    ``fields``: where each choice brings inputs of its own, those by choice.
    """

    name: str
    type: str
    required: bool = True
    options: dict[str, Any] = {}
    choices: list[Any] = []
    files: Files | None = None
    fields: dict[str, list[PackInput]] = {}


class PackOutput(_Data):
    """One output slot."""

    name: str
    type: str
    is_list: bool = False


class PackClass(_Data):
    """One node class. ``takes_any``: inputs of any further name; ``grows``: groups of inputs named ``group.input``."""

    name: str
    api: Literal["V1", "V3"]
    display_name: str = ""
    category: str = ""
    description: str = ""
    inputs: list[PackInput] = []
    hidden: dict[str, str] = {}
    outputs: list[PackOutput] = []
    output_node: bool = False
    input_is_list: bool = False
    takes_any: bool = False
    grows: list[str] = []
    validates: list[str] | None = None
    fingerprints: bool = False
    lazy: bool = False
    deprecated: bool = False
    experimental: bool = False
    search_aliases: list[str] = []


class PackDescription(_Data):
    """A pack. ``broken``: classes that could not be read, and why; ``error``: why there is none at all.

    ``blocked``: what it tried while it was imported and was not let. ``missing``: what it asked the host for that is
    not here. ``seconds``: how long the import took.
    """

    format: int = FORMAT
    name: str
    digest: str
    classes: list[PackClass] = []
    broken: dict[str, str] = {}
    error: str = ""
    blocked: list[str] = []
    missing: list[str] = []
    licence: str = ""
    seconds: float = Field(default=0.0, ge=0)
