"""What model files are is told by their tensors: denoisers, text encoders and VAEs in published layouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nodes.diffusion.text.loading import encoder_kind
from nodes.families.found import vae_kinds
from nodes.families.marks import Shapes, any_fits
from nodes.families.recognition import recognise
from tests.reference.families.models import BOOK, read_book

ENTRIES = read_book(BOOK)
DENOISERS = {
    "diffusion_models/tiny_z_image.safetensors": "z_image",
    "diffusion_models/tiny_lumina2.safetensors": "lumina2",
    "checkpoints/tiny_lumina2_checkpoint.safetensors": "lumina2",
    "diffusion_models/tiny_qwen_image.safetensors": "qwen_image",
    "diffusion_models/tiny_qwen_image_edit_2511.safetensors": "qwen_image",
    "diffusion_models/tiny_flux2_dev.safetensors": "flux2",
    "diffusion_models/tiny_flux2_klein.safetensors": "flux2",
}
ENCODERS = {
    "text_encoders/tiny_qwen3_4b.safetensors": "qwen3",
    "text_encoders/tiny_qwen_2.5_vl_7b.safetensors": "qwen25_vl",
    "text_encoders/tiny_gemma_2_2b.safetensors": "gemma2",
    "text_encoders/tiny_mistral_3_small_flux2.safetensors": "mistral",
    "text_encoders/tiny_clip_l.safetensors": "clip_l",
    "text_encoders/tiny_clip_g.safetensors": "clip_g",
}
VAES = {
    "vae/tiny_ae.safetensors": "kl",
    "vae/tiny_flux2_vae.safetensors": "flux2",
    "vae/tiny_qwen_image_vae.safetensors": "wan21",
}


def shapes_of(name: str) -> Shapes:
    """The shapes of a file of the book, by tensor."""
    entry: Mapping[str, Any] = ENTRIES[name]
    if "parts" in entry:
        return {
            (keys[0].get(key, prefix + key) if keys else prefix + key): shape
            for prefix, part, *keys in entry["parts"]
            for key, shape in shapes_of(part).items()
        }
    found = {key: tuple(shape) for key, shape in entry["shapes"].items()}
    return found | dict.fromkeys(entry.get("bytes", {}), (1,))


@pytest.mark.parametrize("name", DENOISERS)
def test_denoisers(name: str) -> None:
    found = recognise(shapes_of(name))
    assert found is not None and found.family is not None
    assert found.family.name == DENOISERS[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_text_encoders(name: str) -> None:
    kind = encoder_kind(shapes_of(name))
    assert kind is not None and kind.name == ENCODERS[name]


@pytest.mark.parametrize("name", VAES)
def test_vaes(name: str) -> None:
    assert [kind.name for kind in vae_kinds().values() if any_fits(kind.marks, shapes_of(name))] == [VAES[name]]


@pytest.mark.parametrize("name", ["diffusion_models/tiny_z_image.safetensors", "vae/tiny_flux2_vae.safetensors"])
def test_other_files_are_no_text_encoder(name: str) -> None:
    assert encoder_kind(shapes_of(name)) is None
