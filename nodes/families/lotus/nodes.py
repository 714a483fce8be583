"""The prompt of Lotus."""

from __future__ import annotations

from pathlib import Path

from engine.context import Context
from engine.registry import node
from nodes.values import Cond, Conditioning

_NO_PROMPT = Path(__file__).with_name("no_prompt.safetensors")


@node("LotusConditioning", category="model/conditioning/lotus", output_names=("conditioning",))
def no_prompt(ctx: Context) -> Conditioning:
    """The only prompt of Lotus, which is none: what Stable Diffusion 2's text encoder makes of an empty text."""
    from safetensors.torch import load_file  # heavy, and declaring nodes is not

    return Conditioning((Cond(load_file(_NO_PROMPT)["context"].float()),))
