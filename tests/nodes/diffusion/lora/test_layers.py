"""Each kind of change against the formula of its paper, computed another way."""

from __future__ import annotations

import pytest
import torch

from nodes.diffusion.lora.layers import Difference, Generalized, Hadamard, Kronecker, LowRank, Magnitude


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_low_rank_is_the_scaled_product() -> None:
    up, down = torch.randn(6, 2), torch.randn(2, 5)
    delta = LowRank(up, down, alpha=4.0).delta(torch.zeros(6, 5))
    torch.testing.assert_close(delta, sum(torch.outer(up[:, r], down[r]) for r in range(2)) * 2.0)


def test_without_alpha_the_scale_is_one() -> None:
    up, down = torch.randn(3, 2), torch.randn(2, 3)
    torch.testing.assert_close(LowRank(up, down).delta(torch.zeros(3, 3)), up @ down)


def test_a_convolution_is_two_convolutions_in_a_row() -> None:
    up, down, picture = torch.randn(6, 2, 1, 1), torch.randn(2, 4, 3, 3), torch.randn(1, 4, 8, 8)
    weight = LowRank(up, down).delta(torch.zeros(6, 4, 3, 3))
    two = torch.conv2d(torch.conv2d(picture, down), up)
    torch.testing.assert_close(torch.conv2d(picture, weight), two, rtol=1e-4, atol=1e-5)


def test_a_decomposed_convolution_is_three_in_a_row() -> None:
    up, mid, down = torch.randn(6, 2, 1, 1), torch.randn(2, 2, 3, 3), torch.randn(2, 4, 1, 1)
    picture = torch.randn(1, 4, 8, 8)
    weight = LowRank(up, down, mid).delta(torch.zeros(6, 4, 3, 3))
    three = torch.conv2d(torch.conv2d(torch.conv2d(picture, down), mid), up)
    torch.testing.assert_close(torch.conv2d(picture, weight), three, rtol=1e-4, atol=1e-5)


def test_hadamard_multiplies_two_products() -> None:
    a, b, c, d = torch.randn(6, 2), torch.randn(2, 5), torch.randn(6, 2), torch.randn(2, 5)
    delta = Hadamard(a, b, c, d, alpha=1.0).delta(torch.zeros(6, 5))
    torch.testing.assert_close(delta, (a @ b) * (c @ d) / 2)


def test_kronecker_of_whole_factors_has_no_scale() -> None:
    first, second = torch.randn(2, 3), torch.randn(4, 2)
    delta = Kronecker(w1=first, w2=second, alpha=7.0).delta(torch.zeros(8, 6))
    torch.testing.assert_close(delta[4:, 2:4], first[1, 1] * second)


def test_kronecker_of_a_factored_convolution() -> None:
    first, a, b, core = torch.randn(2, 2), torch.randn(3, 4), torch.randn(3, 5), torch.randn(3, 3, 3, 3)
    delta = Kronecker(w1=first, w2_a=a, w2_b=b, t2=core, alpha=3.0).delta(torch.zeros(8, 10, 3, 3))
    second = torch.stack(
        [
            torch.stack([(a[:, i, None, None, None] * core * b[None, :, j, None, None]).sum((0, 1)) for j in range(5)])
            for i in range(4)
        ]
    )
    torch.testing.assert_close(delta[4:, 5:], first[1, 1] * second, rtol=1e-4, atol=1e-5)


def test_generalized_mixes_the_inputs_and_adds() -> None:
    weight, x = torch.randn(6, 5), torch.randn(5)
    a1, a2, b1, b2 = torch.randn(5, 2), torch.randn(2, 5), torch.randn(6, 2), torch.randn(2, 5)
    delta = Generalized(a1, a2, b1, b2, alpha=1.0).delta(weight)
    torch.testing.assert_close(delta @ x, (weight @ (a1 @ (a2 @ x)) + b1 @ (b2 @ x)) / 2, rtol=1e-4, atol=1e-5)


def test_generalized_of_a_convolution_mixes_the_channels_before_it() -> None:
    weight, picture = torch.randn(6, 4, 3, 3), torch.randn(1, 4, 8, 8)
    a1, a2, b1, b2 = torch.randn(4, 2), torch.randn(2, 4), torch.randn(6, 2, 1, 1), torch.randn(2, 4, 3, 3)
    delta = Generalized(a1, a2, b1, b2).delta(weight)
    mixed = torch.conv2d(torch.conv2d(picture, (a1 @ a2)[:, :, None, None]), weight)
    added = torch.conv2d(torch.conv2d(picture, b2), b1)
    torch.testing.assert_close(torch.conv2d(picture, delta), mixed + added, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("out", "into", "rank"), [(6, 5, 1), (6, 5, 5), (6, 5, 6), (5, 6, 2), (5, 6, 5), (6, 6, 1), (6, 6, 2)]
)
def test_generalized_knows_both_orders_of_the_factors(out: int, into: int, rank: int) -> None:
    weight = torch.randn(out, into)
    a, b = (torch.randn(into, rank), torch.randn(rank, into)), (torch.randn(out, rank), torch.randn(rank, into))
    new = Generalized(*a, *b, alpha=3.0).delta(weight)
    old = Generalized(a[1], a[0], b[1], b[0], alpha=3.0).delta(weight)
    torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(new, (weight @ a[0] @ a[1] + b[0] @ b[1]) * (3.0 / rank), rtol=1e-4, atol=1e-5)


def test_magnitude_along_the_output_divides_by_the_old_length() -> None:
    weight, diff, scale = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4, 1)
    delta = Magnitude(Difference(diff), scale).delta(weight)
    expected = torch.stack([(weight[o] + diff[o]) * scale[o] / weight[o].norm() for o in range(4)])
    torch.testing.assert_close(weight + delta, expected)


def test_magnitude_along_the_input_gives_columns_of_that_length() -> None:
    weight, diff, scale = torch.randn(4, 3), torch.randn(4, 3), torch.rand(1, 3) + 0.5
    changed = weight + Magnitude(Difference(diff), scale).delta(weight)
    torch.testing.assert_close(changed.norm(dim=0), scale[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_computed_in_float32(dtype: torch.dtype) -> None:
    up, down = torch.randn(3, 2).to(dtype), torch.randn(2, 3).to(dtype)
    delta = LowRank(up, down).delta(torch.zeros(3, 3))
    assert delta.dtype is torch.float32
    torch.testing.assert_close(delta, up.float() @ down.float())
