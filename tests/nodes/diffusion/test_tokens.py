"""Latents as patches and back, rotary positions, and where references stand."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux2 import Flux2PosEmbed
from hypothesis import given
from hypothesis import strategies as st

from nodes.diffusion.modulation import gated, modulated
from nodes.diffusion.references import ReferencePosition, places
from nodes.diffusion.rotary import rotate, rotations
from nodes.diffusion.tokens import PatchOrder, grid_positions, grid_size, padded, to_latent, to_tokens

ORDERS: tuple[PatchOrder, ...] = ("channels first", "pixels first")


@given(height=st.integers(2, 9), width=st.integers(2, 9), patch=st.sampled_from([1, 2]), order=st.sampled_from(ORDERS))
def test_tokens_of_any_size_give_the_latent_back(height: int, width: int, patch: int, order: PatchOrder) -> None:
    latent = torch.arange(2 * 3 * height * width, dtype=torch.float32).view(2, 3, height, width)
    tokens = to_tokens(latent, patch, order)
    rows, columns = grid_size(latent, patch)
    assert tokens.shape == (2, rows * columns, 3 * patch * patch)
    assert torch.equal(to_latent(tokens, (height, width), patch, order), latent)


def test_a_patch_is_all_pixels_of_a_channel_or_all_channels_of_a_pixel() -> None:
    latent = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]])
    assert to_tokens(latent, 2)[0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert to_tokens(latent, 2, "pixels first")[0, 0].tolist() == [1, 5, 2, 6, 3, 7, 4, 8]


def test_odd_sides_are_filled_up_from_the_other_edge() -> None:
    latent = torch.arange(9.0).view(1, 1, 3, 3)
    assert padded(latent, 2)[0, 0].tolist() == [[0, 1, 2, 0], [3, 4, 5, 3], [6, 7, 8, 6], [0, 1, 2, 0]]
    assert padded(latent[None], 2).shape == (1, 1, 1, 4, 4)
    assert padded(latent, 3) is latent


def test_rotations_are_those_of_diffusers() -> None:
    torch.manual_seed(0)
    positions = torch.randint(0, 4000, (12, 4)).float()
    heads = torch.randn(2, 12, 3, 32)
    embedding = Flux2PosEmbed(theta=2000, axes_dim=[8, 8, 8, 8])
    expected = apply_rotary_emb(heads, embedding(positions), sequence_dim=1)
    ours = rotate(heads, rotations(positions, (8, 8, 8, 8), 2000.0))
    assert torch.allclose(ours, expected, atol=1e-5)
    assert rotate(heads.half(), rotations(positions, (8, 8, 8, 8), 2000.0)).dtype == torch.float16


def test_a_grid_goes_row_by_row() -> None:
    assert grid_positions(2, 3, torch.device("cpu")).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("index", [ReferencePosition(10, 0, 0), ReferencePosition(20, 0, 0), ReferencePosition(30, 0, 0)]),
        (
            "index_timestep_zero",
            [ReferencePosition(10, 0, 0), ReferencePosition(20, 0, 0), ReferencePosition(30, 0, 0)],
        ),
        ("negative_index", [ReferencePosition(-10, 0, 0), ReferencePosition(-20, 0, 0), ReferencePosition(-30, 0, 0)]),
        # The second goes to the right of the first, since below it the whole would be taller than it is wide.
        ("offset", [ReferencePosition(1, 0, 0), ReferencePosition(1, 0, 3), ReferencePosition(1, 4, 0)]),
        ("uxo", [ReferencePosition(0, 5, 6), ReferencePosition(0, 9, 9), ReferencePosition(0, 13, 11)]),
    ],
)
def test_references_stand_where_the_method_says(method: str, expected: list[ReferencePosition]) -> None:
    sizes = [(8, 6), (8, 4), (4, 6)]
    assert places(sizes, method, 2, 10, ReferencePosition(0, 5, 6)) == expected  # type: ignore[arg-type]


def test_tokens_of_references_follow_a_modulation_of_their_own() -> None:
    torch.manual_seed(0)
    tokens, added = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    shift, scale, gate = (torch.randn(2, 2, 4) for _ in range(3))
    both, gates = modulated(tokens, shift, scale, 3), gated(tokens, gate, added, 3)
    for part, which in ((slice(0, 3), 0), (slice(3, 5), 1)):
        one = slice(which, which + 1)
        assert torch.equal(both[:, part], modulated(tokens[:, part], shift[:, one], scale[:, one], 9))
        assert torch.equal(gates[:, part], gated(tokens[:, part], gate[:, one], added[:, part], 9))
    assert torch.allclose(modulated(tokens, shift[:, :1], scale[:, :1], 5), tokens * (1 + scale[:, :1]) + shift[:, :1])
