"""Style models: what a picture encoder saw, as tokens of a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import InputInvalid, ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.weights import WeightFile
from nodes.values import Cond, Conditioning
from nodes.vision_values import ClipVisionOutput, StyleModel

MASK, MASK_SIZE = "attention_mask", "attention_mask_img_shape"


class Redux(nn.Module):
    """Flux.1 Redux: a layer up, one down, to the width of the prompt's tokens."""

    def __init__(self, seen: int, inner: int, made: int) -> None:
        super().__init__()
        self.redux_up = nn.Linear(seen, inner)
        self.redux_down = nn.Linear(inner, made)

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch, tokens, width of the picture's tokens] to the width of the prompt's."""
        made: Tensor = self.redux_down(F.silu(self.redux_up(hidden)))
        return made


def load_style(path: Path) -> StyleModel:
    """A style model from a file. Raises ``ModelUnreadable`` where it is none."""
    file = WeightFile(path)
    view = file.view("")
    if "redux_up.weight" not in view or "redux_down.weight" not in view:
        raise ModelUnreadable(
            f"'{path.name}' holds no style model that is known",
            input="style_model_name",
            remedy="take Flux.1 Redux",
        )
    (inner, seen), made = view.shape("redux_up.weight"), view.shape("redux_down.weight")[0]
    build = lambda: assemble(lambda: Redux(seen, inner, made), view)  # noqa: E731 - it is one expression
    return StyleModel(Weights(f"style:{content_key(view)}", build, f"{path.name} style", release=file.release))


def apply_style(
    models: ModelStore,
    style: StyleModel,
    conditioning: Conditioning,
    seen: ClipVisionOutput,
    strength: float,
    strength_type: Literal["multiply", "attn_bias"],
) -> Conditioning:
    """Each prompt with the style's tokens after its own.

    ``strength`` multiplies these tokens, or is how much they are attended to (its logarithm is added to the scores).
    """
    with torch.no_grad(), models.lease(style.weights) as lent:
        module: Any = lent
        weight = module.redux_up.weight
        if seen.last_hidden.shape[-1] != weight.shape[1]:
            raise InputInvalid(
                f"the picture was encoded {seen.last_hidden.shape[-1]} wide, the style model reads {weight.shape[1]}",
                input="clip_vision_output",
                remedy="encode it with the picture encoder that the style model was made for (SigLIP for Redux)",
            )
        tokens = module(seen.last_hidden.to(weight.device, weight.dtype)).float().cpu().flatten(0, 1)[None]
    if strength_type == "multiply":
        tokens = tokens * strength
    share = strength if strength_type == "attn_bias" else 1.0
    return conditioning.map(lambda entry: _with_tokens(entry, tokens, share))


def _with_tokens(entry: Cond, tokens: Tensor, share: float) -> Cond:
    if tokens.shape[-1] != entry.context.shape[-1]:
        raise InputInvalid(
            f"the style's tokens are {tokens.shape[-1]} wide, the prompt's {entry.context.shape[-1]}",
            input="conditioning",
            remedy="encode the prompt with the text encoders of the family that the style model is for",
        )
    batch = entry.context.shape[0]
    context = torch.cat([entry.context, tokens.expand(batch, -1, -1)], dim=1)
    if MASK not in entry.extra and share == 1.0:
        return replace(entry, context=context)
    bias = _wider(entry, tokens.shape[1], share)
    return replace(entry, context=context, extra={**entry.extra, MASK: bias, MASK_SIZE: (1, 1)})


def _wider(entry: Cond, added: int, share: float) -> Tensor:
    """The bias of scores with rows and columns for ``added`` tokens: all but these attend to them by ``share``.

    float32[batch, tokens + 1, tokens + 1]: the last row and column are the picture's, however many tokens it has.
    """
    text = entry.context.shape[1]
    known = entry.extra.get(MASK)
    if known is None:
        known = torch.zeros(entry.context.shape[0], text + 1, text + 1)
    elif known.dtype == torch.bool:
        known = known.float().log()
    wider = known.new_zeros(known.shape[0], text + added + 1, text + added + 1)
    old = torch.tensor([*range(text), text + added])
    wider[:, old[:, None], old] = known
    # Rounded as the pictures were made that are compared with.
    wider[:, old, text : text + added] = torch.tensor(share).log().half().float()
    return wider
