"""A workflow in API form, as a document: nodes by id, each with its class and inputs. Nothing is checked yet."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class NodeDocument(BaseModel):
    """One node as the JSON has it: an input is a value, or a link ``[node id, output slot]``.

    ``pack``: the node pack that brings the class, where the file says so (UI form does); API form has no place for it.
    """

    model_config = ConfigDict(frozen=True)

    class_type: str = ""
    inputs: dict[str, Any] = {}
    title: str | None = None
    pack: str | None = None

    def as_wire(self) -> dict[str, Any]:
        """The node in API form, its title under ``_meta`` as ComfyUI has it."""
        wire: dict[str, Any] = {"inputs": self.inputs, "class_type": self.class_type}
        if self.title is not None:
            wire["_meta"] = {"title": self.title}
        return wire


class Workflow(BaseModel):
    """An API-form workflow. ``extra_pnginfo``: what else is written into pictures (the UI form under ``workflow``)."""

    model_config = ConfigDict(frozen=True)

    nodes: dict[str, NodeDocument]
    extra_pnginfo: dict[str, Any] = {}

    def as_prompt(self) -> dict[str, dict[str, Any]]:
        """The whole workflow in API form, as it goes into a PNG's ``prompt`` text."""
        return {node_id: node.as_wire() for node_id, node in self.nodes.items()}
