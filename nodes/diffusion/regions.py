"""Places the entries of conditionings on one latent: boxes and masks in latent pixels, time ranges in sigmas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import InputInvalid
from nodes.diffusion.inputs import Inputs, Scene, repeat_batch
from nodes.values import Area, Cond, Control

MIN_MASK_SIDE = 8
FEATHER = 8


class Box(NamedTuple):
    """A rectangle in latent pixels."""

    height: int
    width: int
    y: int
    x: int

    def cut_inputs(self, inputs: Inputs) -> Inputs:
        """The same inputs with those on the latent's grid cut to the box."""
        return {name: replace(i, value=self.cut(i.value)) if i.joining == "cut" else i for name, i in inputs.items()}

    def cut(self, tensor: Tensor) -> Tensor:
        """A view of the last two dimensions inside the box."""
        return tensor[..., self.y : self.y + self.height, self.x : self.x + self.width]

    def contains(self, other: Box) -> bool:
        """Whether ``other`` lies wholly inside."""
        return (
            self.y <= other.y
            and self.x <= other.x
            and other.y + other.height <= self.y + self.height
            and other.x + other.width <= self.x + self.width
        )

    def clipped(self, height: int, width: int) -> Box:
        """The part that lies inside a latent of that size."""
        return self._replace(height=min(self.height, height - self.y), width=min(self.width, width - self.x))


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """One entry of a conditioning, ready for one latent.

    ``inputs``: what the network gets for it, on the latent's device. ``mask``: float32[1 or batch, height, width],
    there too. Evaluated while sigma_end <= sigma <= sigma_start.
    """

    inputs: Inputs
    box: Box | None = None
    mask: Tensor | None = None
    strength: float = 1.0
    sigma_start: float = float("inf")
    sigma_end: float = 0.0
    control: Control | None = None
    control_for_others: bool = False
    default: bool = False

    def active(self, sigma: float) -> bool:
        """Whether the entry counts at this noise level."""
        return self.sigma_end <= sigma <= self.sigma_start

    def weight(self, x: Tensor) -> Tensor:
        """How much each latent pixel of its box counts: float32 of the box's part of ``x``.

        Without a mask, a box's edges fade over 8 latent pixels, except where it touches the border of the latent.
        """
        inside = x if self.box is None else self.box.cut(x)
        if self.mask is not None:
            mask = self.mask[: x.shape[0]] if self.box is None else self.box.cut(self.mask[: x.shape[0]])
            mask = repeat_batch(mask, x.shape[0])
            sides = (1,) * (inside.ndim - mask.ndim)
            return mask.view(mask.shape[0], *sides, *mask.shape[1:]).expand_as(inside) * self.strength
        weight = torch.ones_like(inside)
        if self.box is not None:
            height, width = x.shape[-2:]
            rows = _fade(self.box.height, self.box.y > 0, self.box.y + self.box.height < height)
            columns = _fade(self.box.width, self.box.x > 0, self.box.x + self.box.width < width)
            weight = weight * rows[:, None].to(x.device) * columns.to(x.device)
        return weight * self.strength


def _fade(length: int, at_start: bool, at_end: bool) -> Tensor:
    span = min(FEATHER, length // 4)
    ramp = torch.arange(1, span + 1, dtype=torch.float32) / max(span, 1)
    fade = torch.ones(length)
    if at_start:
        fade[:span] *= ramp
    if at_end:
        fade[length - span :] *= ramp.flip(0)
    return fade


def place(entry: Cond, inputs: Inputs, scene: Scene) -> Placed:
    """Resolve one entry of the conditioning ``scene.role``, with its ``inputs``, for the latent of the scene.

    Raises InputInvalid for a strength that is not a number and for an area outside the latent.
    """
    role, parameterization, device = scene.role, scene.model.parameterization, scene.latent.device
    for name, strength in (("strength", entry.strength), ("mask strength", entry.mask_strength)):
        if math.isnan(strength):
            raise InputInvalid(f"the {name} of a prompt is not a number", input=role, remedy="give a finite strength")
    height, width = scene.latent.shape[-2:]
    mask = None if entry.mask is None else _fit_mask(entry.mask.to(device), height, width)
    box = None if entry.area is None else _resolve_area(entry.area, scene)
    if mask is not None and entry.set_area_to_bounds:
        box = _bounds(mask)
    return Placed(
        inputs=inputs,
        box=box,
        mask=None if mask is None else mask * entry.mask_strength,
        strength=entry.strength,
        sigma_start=float(parameterization.percent_to_sigma(entry.start_percent)),
        sigma_end=float(parameterization.percent_to_sigma(entry.end_percent)),
        control=entry.control,
        control_for_others=entry.control_apply_to_uncond,
        default=entry.default,
    )


def _fit_mask(mask: Tensor, height: int, width: int) -> Tensor:
    mask = mask if mask.ndim == 3 else mask.reshape(-1, *mask.shape[-2:])
    if mask.shape[-2:] == (height, width):
        return mask.float()
    return F.interpolate(mask[:, None].float(), size=(height, width), mode="bilinear", align_corners=False)[:, 0]


def _resolve_area(area: Area, scene: Scene) -> Box:
    height, width = scene.latent.shape[-2:]
    if area.unit == "fraction":
        box = Box(
            max(1, round(area.height * height)),
            max(1, round(area.width * width)),
            round(area.y * height),
            round(area.x * width),
        )
    else:
        box = Box(int(area.height), int(area.width), int(area.y), int(area.x))
    if not (0 <= box.y < height and 0 <= box.x < width):
        _, rows, columns = scene.model.space.factors
        (height_px, width_px), left, top = scene.size_px, box.x * columns, box.y * rows
        raise InputInvalid(
            f"a prompt's area starts at x {left}, y {top}, outside the {width_px} x {height_px} picture",
            input=scene.role,
            remedy="move the area inside the picture or make the latent larger",
        )
    return box


def _bounds(mask: Tensor) -> Box:
    rows, columns = torch.where(mask.abs().amax(dim=0) > 0)
    if rows.numel() == 0:
        return Box(MIN_MASK_SIDE, MIN_MASK_SIDE, 0, 0)
    top, left = int(rows.min()), int(columns.min())
    height, width = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    return Box(max(MIN_MASK_SIDE, height), max(MIN_MASK_SIDE, width), top, left)


def pair_boxes(placed: Mapping[str, list[Placed]]) -> dict[str, list[Placed]]:
    """Give every box of one role a partner of the same box in each other role.

    The partner takes its prompt from the smallest entry that covers the box, so that a region is guided away from
    what would be negative there, and its passes have equal shapes.
    """
    paired = {role: list(entries) for role, entries in placed.items()}
    for role, entries in paired.items():
        for entry in list(entries):
            for other, candidates in paired.items():
                if other != role and (partner := _partner(entry, candidates)) is not None:
                    candidates.append(partner)
    return paired


def _partner(entry: Placed, candidates: Sequence[Placed]) -> Placed | None:
    if entry.box is None:
        return None
    box = entry.box
    boxed = [c for c in candidates if c.box is not None and c.box.contains(box)]
    smallest = min(boxed, key=_box_area, default=next((c for c in candidates if c.box is None), None))
    if smallest is None or smallest.box == box:
        return None
    return replace(entry, inputs=smallest.inputs)


def _box_area(entry: Placed) -> int:
    return entry.box.height * entry.box.width if entry.box is not None else 0


def share_controls(placed: Mapping[str, list[Placed]]) -> dict[str, list[Placed]]:
    """Apply the positive prompt's ControlNets that ask for it to the whole-picture entries of the other roles."""
    shared = [e for e in placed.get("positive", ()) if e.control is not None and e.control_for_others and e.box is None]
    result = {role: list(entries) for role, entries in placed.items()}
    for role, entries in result.items():
        whole = [index for index, entry in enumerate(entries) if entry.box is None]
        free = [index for index in whole if entries[index].control is None]
        if role == "positive" or not free or len(free) < len(whole):
            continue
        for number, source in enumerate(shared):
            index = free[number % len(free)]
            entries[index] = replace(entries[index], control=source.control)
    return result


def clip_boxes(placed: Mapping[str, list[Placed]], height: int, width: int) -> dict[str, list[Placed]]:
    """Cut every box to the latent."""
    return {
        role: [e if e.box is None else replace(e, box=e.box.clipped(height, width)) for e in entries]
        for role, entries in placed.items()
    }
