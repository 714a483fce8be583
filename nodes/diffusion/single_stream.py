"""Blocks of transformers in which text and picture are one stream from the start, as NextDiT has them.

Gao et al. 2024, https://arxiv.org/abs/2405.05945.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.backend import current
from nodes.diffusion.block_hooks import State, through
from nodes.hooks import Call, HookSite, Stage

RunBlock = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
"""Runs one block: its module, tokens [rows, tokens, width], their rotations, and the embedding of time."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Text and picture on their way: tokens [rows, tokens, width], rotations, and the embedding of time."""

    text: Tensor
    image: Tensor
    text_turns: Tensor
    image_turns: Tensor
    time: Tensor


def run_refiner(blocks: Iterable[Any], run: RunBlock, stream: Stream, call: Call, x: Tensor) -> Stream:
    """The picture alone through its refiner; what is wrapped around blocks sees the text as well."""
    best = current().best(run)
    turns, time = stream.image_turns, stream.time
    for number, block in enumerate(blocks):

        def alone(state: State, block: Any = block) -> State:
            return {**state, "image": best(block, state["image"], turns, time)}

        stream = _through(alone, stream, call, x, "refiner", number)
    return stream


def run_blocks(blocks: Iterable[Any], run: RunBlock, stream: Stream, call: Call, x: Tensor) -> Stream:
    """Text and picture together through all blocks."""
    best = current().best(run)
    turns = torch.cat([stream.text_turns, stream.image_turns])
    start, time = stream.text.shape[1], stream.time
    if not call.patches.around_block:
        whole = torch.cat([stream.text, stream.image], dim=1)
        for block in blocks:
            whole = best(block, whole, turns, time)
        return replace(stream, text=whole[:, :start], image=whole[:, start:])
    for number, block in enumerate(blocks):

        def together(state: State, block: Any = block) -> State:
            made = best(block, torch.cat([state["text"], state["image"]], dim=1), turns, time)
            return {**state, "text": made[:, :start], "image": made[:, start:]}

        stream = _through(together, stream, call, x, "block", number)
    return stream


def _through(run: Callable[[State], State], stream: Stream, call: Call, x: Tensor, stage: Stage, number: int) -> Stream:
    """A block within what is wrapped around it, which finds the picture's rotations as ``turns`` and ``time`` too."""
    site = HookSite(stage, number, 0, (x.shape[-2], x.shape[-1]), call.rows, call.sigma)
    state = {"text": stream.text, "image": stream.image, "time": stream.time, "turns": stream.image_turns}
    made = through(call.patches.around_block, run, state, site)
    return replace(stream, text=made["text"], image=made["image"])
