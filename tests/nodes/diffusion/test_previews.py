"""Previews: decoded by TAESD where its file is there, in whatever layout, and mapped linearly where not."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.vae import DecoderTiny
from safetensors.torch import save_file
from torch import Tensor

from engine.context import Context
from engine.folders import Folders
from engine.model_store import ModelStore
from nodes.diffusion.previews import MAX_SIDE_PX, previewer
from nodes.families import sd, sdxl
from nodes.latent_space import LatentSpace

FORMATS = {"taesd_decoder": sd.SPACE, "taesdxl_decoder": sdxl.SPACE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vae_approx").mkdir()
    return tmp_path / "vae_approx"


@pytest.fixture
def ctx(folder: Path) -> Context:
    return Context(Folders({"vae_approx": (folder,)}), ModelStore("cpu", "float32"), previews=True)


def real_decoder() -> DecoderTiny:
    """Of the published file's shape, at random."""
    torch.manual_seed(4)
    return DecoderTiny(4, 3, (3, 3, 3, 1), (8,) * 4, 2, "relu", "nearest").requires_grad_(False)


def saved(module: DecoderTiny, path: Path, layout: str) -> None:
    """As diffusers names the tensors, or as TAESD's author does: numbered, the clamp in front counted."""
    tensors = {}
    for name, tensor in module.state_dict().items():
        number, rest = name.removeprefix("layers.").split(".", 1)
        tensors[name if layout == "diffusers" else f"{int(number) + 1}.{rest}"] = tensor
    prefix = {"author": "", "whole": "taesd_decoder.", "diffusers": "decoder."}[layout]
    save_file({prefix + name: tensor for name, tensor in tensors.items()}, path)


def pictures(ctx: Context, kind: LatentSpace, latent: Tensor) -> Tensor:
    with ExitStack() as leases:
        return previewer(ctx, kind, leases)(latent)


@pytest.mark.parametrize("stem", FORMATS)
@pytest.mark.parametrize("layout", ["author", "whole", "diffusers"])
def test_the_decoder_of_the_family_makes_the_picture(ctx: Context, folder: Path, stem: str, layout: str) -> None:
    module = real_decoder()
    saved(module, folder / f"{stem}.safetensors", layout)
    latent = torch.randn(2, 4, 6, 9)
    shown = pictures(ctx, FORMATS[stem], latent)
    expected = (module(latent[:1])[0].movedim(0, -1) + 1) / 2 * 255
    assert shown.shape == (48, 72, 3)
    assert shown.dtype == torch.uint8
    assert (shown.float() - expected.clamp(0, 255)).abs().max() <= 0.51
    other = next(each for name, each in FORMATS.items() if name != stem)
    assert torch.equal(pictures(ctx, other, latent), other.preview(latent[0])), "another family's decoder is left alone"


def test_previews_of_large_pictures_are_small(ctx: Context, folder: Path) -> None:
    saved(real_decoder(), folder / "taesd_decoder.safetensors", "author")
    shown = pictures(ctx, sd.SPACE, torch.randn(1, 4, 96, 128))
    assert shown.shape == (MAX_SIDE_PX * 96 // 128, MAX_SIDE_PX, 3)


def test_a_faulty_decoder_is_logged_and_done_without(
    ctx: Context, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_file({"1.weight": torch.zeros(8, 4, 3, 3)}, folder / "taesd_decoder.safetensors")
    latent = torch.randn(1, 4, 4, 4)
    with caplog.at_level(logging.WARNING):
        shown = pictures(ctx, sd.SPACE, latent)
    assert torch.equal(shown, sd.SPACE.preview(latent[0]))
    assert "taesd_decoder.safetensors" in caplog.text


def test_no_decoder_is_loaded_where_nobody_watches(ctx: Context, folder: Path) -> None:
    saved(real_decoder(), folder / "taesd_decoder.safetensors", "author")
    ctx.previews = False
    pictures(ctx, sd.SPACE, torch.randn(1, 4, 4, 4))
    assert ctx.models.stats() == []
