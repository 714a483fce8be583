"""Hooks into the UNet, each on its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nodes.diffusion.parameterization import discrete
from nodes.diffusion.patches.downscale import deep_shrink
from nodes.diffusion.patches.freeu import freeu
from nodes.diffusion.patches.hypertile import Tiling, token_grid
from nodes.diffusion.patches.scaling import scale_projections
from nodes.diffusion.patches.spectrum import scale_frequencies
from nodes.diffusion.patches.tome import Merging
from nodes.hooks import HookSite

WIDTH = 16


def site(height: int = 8, width: int = 8, block: int = 3, sigma: float = 1.0) -> HookSite:
    return HookSite("output", block, 0, (height, width), (0, 1), sigma)


def test_low_and_high_frequencies_are_scaled_apart() -> None:
    flat = torch.full((1, 2, 8, 8), 3.0)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4).expand(1, 2, 8, 8)
    torch.testing.assert_close(
        scale_frequencies(flat + checks, 1, low=0.5, high=2.0), 0.5 * flat + 2.0 * checks, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("structured", [False, True])
def test_freeu_touches_only_its_two_widths(structured: bool) -> None:
    (change,) = freeu(WIDTH, 1.4, 1.2, 0.5, 0.2, structured=structured).before_output
    for channels, touched in ((WIDTH, False), (2 * WIDTH, True), (4 * WIDTH, True), (3 * WIDTH, False)):
        hidden, skip = torch.randn(2, channels, 8, 8), torch.randn(2, channels, 8, 8)
        after, after_skip = change(hidden, skip, site())
        assert (after is not hidden) == touched
        assert (after_skip is not skip) == touched
        if touched:
            torch.testing.assert_close(after[:, channels // 2 :], hidden[:, channels // 2 :])


def test_freeu_with_neutral_factors_changes_nothing() -> None:
    (change,) = freeu(WIDTH, 1.0, 1.0, 1.0, 1.0, structured=True).before_output
    hidden, skip = torch.randn(2, 4 * WIDTH, 8, 8), torch.randn(2, 4 * WIDTH, 8, 8)
    after, after_skip = change(hidden, skip, site())
    torch.testing.assert_close(after, hidden)
    torch.testing.assert_close(after_skip, skip, rtol=1e-4, atol=1e-5)


def test_freeu_does_not_write_to_what_it_was_given() -> None:
    (change,) = freeu(WIDTH, 1.4, 1.2, 0.5, 0.2, structured=False).before_output
    hidden, skip = torch.randn(1, 2 * WIDTH, 8, 8), torch.randn(1, 2 * WIDTH, 8, 8)
    before = hidden.clone(), skip.clone()
    change(hidden, skip, site())
    assert torch.equal(hidden, before[0])
    assert torch.equal(skip, before[1])


def tiles(tile_px: int, swap: int = 1, depth: int = 0, *, scale_depth: bool = False) -> Tiling:
    return Tiling(tile_px, swap, depth, torch.Generator().manual_seed(0), scale_depth=scale_depth)


def test_tiles_come_back_to_their_places() -> None:
    seen: list[tuple[int, ...]] = []

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        seen.append(tuple(q.shape))
        assert q.shape[0] == k.shape[0] == v.shape[0]
        return q

    tokens = torch.randn(2, 128 * 128, WIDTH)
    tiling = tiles(256, 3)
    torch.testing.assert_close(tiling(attend, tokens, tokens, tokens, site(128, 128), None), tokens)
    assert seen[0][0] > 2
    assert seen[0][0] * seen[0][1] == 2 * 128 * 128


def test_coarser_levels_are_tiled_only_down_to_the_depth() -> None:
    calls: list[Tensor] = []

    def attend(q: Tensor, _k: Tensor, _v: Tensor) -> Tensor:
        calls.append(q)
        return q

    tokens = torch.randn(1, 64 * 64, 2 * WIDTH)
    for tiling in (tiles(64, depth=0), tiles(64, depth=1), tiles(64, depth=1, scale_depth=True)):
        tiling(attend, tokens, tokens, tokens, site(128, 128), None)
    assert calls[0] is tokens
    assert calls[1].shape == (64, 64, 2 * WIDTH), "8 x 8 tiles of 64 px"
    assert calls[2].shape == (16, 256, 2 * WIDTH), "tiles of the same part of the picture"


def test_levels_whose_sides_were_rounded_are_not_tiled() -> None:
    tokens = torch.randn(1, 33 * 33, WIDTH)
    tiles(64, depth=1)(
        lambda q, _k, _v: pytest.fail("tiled") if q is not tokens else q, tokens, tokens, tokens, site(65, 65), None
    )


def test_the_same_call_is_tiled_the_same_way_in_a_new_run() -> None:
    def shapes() -> list[tuple[int, ...]]:
        tiling, seen = tiles(64, 4), []
        for _ in range(6):
            tokens = torch.randn(1, 64 * 64, WIDTH)
            tiling(lambda q, k, v: seen.append(tuple(q.shape)) or q, tokens, tokens, tokens, site(64, 64), None)
        return seen

    assert shapes() == shapes()
    assert len(set(shapes())) > 1


@pytest.mark.parametrize(
    ("tokens", "latent", "grid"),
    [(64, (8, 8), (8, 8)), (16, (8, 8), (4, 4)), (96, (8, 12), (12, 8)), (24, (8, 12), (6, 4)), (35, (8, 8), (7, 5))],
)
def test_token_grids(tokens: int, latent: tuple[int, int], grid: tuple[int, int]) -> None:
    assert token_grid(tokens, latent) == grid


def merging(ratio: float) -> Merging:
    return Merging(ratio, torch.Generator().manual_seed(0))


def test_merged_tokens_are_fewer_inside_and_as_many_outside() -> None:
    counts: list[int] = []

    def attend(q: Tensor, _k: Tensor, _v: Tensor) -> Tensor:
        counts.append(q.shape[1])
        return q

    tokens = torch.randn(2, 64, WIDTH)
    result = merging(0.25)(attend, tokens, tokens, tokens, site(), None)
    assert counts == [48]
    assert result.shape == tokens.shape
    torch.testing.assert_close(result, merging(0.25)(attend, tokens, tokens, tokens, site(), None))


def test_coarser_levels_and_ratio_zero_are_not_merged() -> None:
    coarse, fine = torch.randn(1, 16, WIDTH), torch.randn(1, 64, WIDTH)
    assert merging(0.5)(lambda q, k, v: q, coarse, coarse, coarse, site(), None) is coarse
    assert torch.equal(merging(0.0)(lambda q, k, v: q, fine, fine, fine, site(), None), fine)


def test_a_single_row_of_tokens_is_not_merged() -> None:
    row = torch.randn(1, 8, WIDTH)
    assert merging(0.5)(lambda q, k, v: q, row, row, row, site(height=1), None) is row


def test_deep_shrink_is_undone_where_the_skips_are_larger() -> None:
    patches = deep_shrink(discrete(), 3, 2.0, 0.0, 0.35, after_skip=True, down_method="bicubic", up_method="bicubic")
    (shrink,), (restore,) = patches.after_input_skip, patches.before_output
    hidden = torch.randn(1, WIDTH, 8, 8)
    early = discrete().percent_to_sigma(0.2)
    small = shrink(hidden, site(sigma=early))
    assert small.shape[-2:] == (4, 4)
    assert restore(small, hidden, site())[0].shape == hidden.shape
    assert shrink(hidden, site(sigma=0.05)) is hidden
    assert shrink(hidden, site(sigma=early, block=4)) is hidden


def test_projections_of_one_attention_are_multiplied() -> None:
    names = [
        f"down_blocks.0.attentions.0.transformer_blocks.0.{a}.to_{p}.weight" for a in ("attn1", "attn2") for p in "qk"
    ]
    patch = scale_projections(names, "attn1", {"to_q": 2.0, "to_k": 1.0})
    assert patch.names() == {names[0]}
    assert torch.equal(patch.apply(names[0], torch.ones(2)), torch.full((2,), 2.0))


@pytest.mark.parametrize(("height", "width"), [(1, 4), (3, 1), (1, 1)])
def test_a_single_row_of_frequencies_is_low(height: int, width: int) -> None:
    x = torch.randn(1, 2, height, width)
    middle = scale_frequencies(x, 1, low=0.5, high=0.5)
    torch.testing.assert_close(middle, 0.5 * x)
    flat = torch.full((1, 2, height, width), 2.0)
    torch.testing.assert_close(scale_frequencies(flat, 1, low=0.5, high=3.0), 0.5 * flat)


@pytest.mark.parametrize("size", [2, 3, 8, 9])
@pytest.mark.parametrize("band", [1, 2, 4, 10_000])
def test_the_low_band_is_cut_off_at_the_edges_of_the_spectrum(size: int, band: int) -> None:
    """Of the frequencies -size/2 ... those from -band to band - 1 are low; none wraps around to the other end."""
    scaled = {}
    for frequency in range(-(size // 2), (size + 1) // 2):
        waves = torch.cos(2 * torch.pi * frequency * torch.arange(size) / size)
        rows = waves[:, None].expand(size, size)[None, None]
        scaled[frequency] = float((scale_frequencies(rows, band, low=0.0, high=1.0) * rows).sum() / (rows * rows).sum())
    reach = min(band, size // 2)
    for frequency, share in scaled.items():
        # A cosine is half of either sign's frequency, except where the two are one.
        parts = [frequency, -frequency if 2 * abs(frequency) != size else frequency]
        kept = sum(not -reach <= part < reach for part in parts) / 2
        assert share == pytest.approx(kept, abs=1e-5), frequency
