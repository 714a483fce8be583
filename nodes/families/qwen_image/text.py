"""Prompts of Qwen-Image: Qwen2.5-VL's last layer, which is shown them as a user's message after a system message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from engine.errors import InputInvalid
from engine.model_store import ModelStore
from nodes.diffusion.language.encoding import Layers, one_prompt, read
from nodes.diffusion.language.pieces import PicturePiece, Piece, pieces_of
from nodes.diffusion.language.qwen25_vl import ROTATION
from nodes.diffusion.language.qwen_tokenizer import IM_START, IMAGE_PAD, PAD, STOPS, spelled, token_ids
from nodes.diffusion.language.writing import Writer
from nodes.values import Clip, Cond

# What the model was trained with; diffusers' pipelines have the same texts.
_DESCRIBE = (
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial relationships of the "
    "objects and background:"
)
_EDIT = (
    "Describe the key features of the input image (color, shape, size, texture, objects, background), then explain how "
    "the user's text instruction should alter or modify the image. Generate a new image that meets the user's "
    "requirements while maintaining consistency with the original input where appropriate."
)
TEMPLATE = f"<|im_start|>system\n{_DESCRIBE}<|im_end|>\n<|im_start|>user\n{{}}<|im_end|>\n<|im_start|>assistant\n"
EDIT_TEMPLATE = f"<|im_start|>system\n{_EDIT}<|im_end|>\n<|im_start|>user\n{{}}<|im_end|>\n<|im_start|>assistant\n"
PICTURE_MARK = "<|vision_start|><|image_pad|><|vision_end|>"
_USER, _NEWLINE = 872, 198
_TURN = (IM_START, _USER, _NEWLINE)


def encode(models: ModelStore, clip: Clip, text: str | Mapping[str, str], embeddings: Sequence[Path] = ()) -> Cond:
    """``context``: float32[1, tokens, width]. A prompt that begins with ``<|im_start|>`` is taken as it is."""
    return encode_with_pictures(models, clip, one_prompt(text), ())


def encode_with_pictures(
    models: ModelStore, clip: Clip, prompt: str, pictures: Sequence[Tensor], template: str | None = None
) -> Cond:
    """A prompt whose marks for pictures (``<|image_pad|>``) stand for ``pictures``, in order.

    ``pictures``: float32[height, width, 3], 0..1 each. ``template``: what the prompt is put into; by default that for
    text, or for one picture and text. Raises ``InputInvalid`` where the encoder sees no pictures.
    """
    if clip.index("qwen25_vl") is None:
        raise InputInvalid(
            f"a CLIP of {clip.family.title} sees no pictures",
            input="clip",
            remedy="load Qwen2.5-VL with CLIPLoader, type qwen_image",
        )
    pieces = _shown(prompt, pictures, template)
    found = read(models, clip, "qwen25_vl", pieces, Layers(), ROTATION, PAD)
    start = _start(pieces, found.context.shape[1])
    mask = found.mask[:, start:]
    return Cond(found.context[:, start:], extra={} if bool(mask.all()) else {"attention_mask": mask})


def writer(texts: str) -> Writer:
    """Qwen2.5-VL, which is shown prompt and pictures as when it encodes them, and answers."""
    return Writer(
        "qwen25_vl", ROTATION, STOPS, lambda _, asked: _shown(asked.prompt, asked.pictures), spelled, sees=True
    )


def _shown(prompt: str, pictures: Sequence[Tensor], template: str | None = None) -> list[Piece]:
    if template is None:
        marks = PICTURE_MARK * max(1, len(pictures))
        template = EDIT_TEMPLATE.replace("{}", marks + "{}") if pictures else TEMPLATE
    whole = prompt if prompt.startswith("<|im_start|>") else template.format(prompt)
    return _with_pictures(pieces_of(whole, token_ids), pictures)


def _with_pictures(pieces: Sequence[Piece], pictures: Sequence[Tensor]) -> list[Piece]:
    rest = iter(pictures)

    def placed(piece: Piece) -> Piece:
        if not isinstance(piece, int) or piece != IMAGE_PAD:
            return piece
        picture = next(rest, None)
        return piece if picture is None else PicturePiece(picture)

    return [placed(piece) for piece in pieces]


def _start(pieces: Sequence[Piece], tokens: int) -> int:
    """Where the user's message begins: the model reads no system message. ``tokens``: that pictures and text take."""
    turns = [place for place, piece in enumerate(pieces) if isinstance(piece, int) and piece == IM_START][:2]
    start = turns[-1] if turns else -1
    opens_message = tuple(pieces[start : start + 3]) == _TURN
    return start + 3 if tokens > start + 3 and opens_message else start
