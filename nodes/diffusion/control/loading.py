"""Loads a ControlNet of any kind from a single file."""

from __future__ import annotations

from pathlib import Path

from engine.errors import ModelUnreadable
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.weights import WeightFile
from nodes.families.found import control_kinds
from nodes.families.marks import any_fits
from nodes.values import ControlNet


def load_control_net(path: Path) -> ControlNet:
    """The network in the file. Raises ``ModelUnreadable`` where it is of a kind that cannot be used."""
    file = WeightFile(path)
    if "lora_controlnet" in file.facts:
        raise ModelUnreadable(
            f"'{path.name}' is a Control-LoRA, which cannot run on its own",
            input="control_net_name",
            remedy="use the full ControlNet of the same kind",
        )
    shapes = file.shapes
    kind = next((kind for kind in control_kinds().values() if any_fits(kind.marks, shapes)), None)
    if kind is None:
        known = ", ".join(kind.title for kind in control_kinds().values())
        raise ModelUnreadable(
            f"'{path.name}' is no ControlNet of a kind that is known{what_it_is(file)}",
            input="control_net_name",
            remedy=f"the kinds here are: {known}",
        )
    return kind.part.load(file.view(""), kind.name)
