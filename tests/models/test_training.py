"""The training loop: a run that was stopped and resumed ends where an unbroken one does, bit for bit."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.tiny.loop import Plan, train


class Toy(nn.Module):
    """A kernel, a matrix, a token table and biases: what both optimisers get."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, 6)
        self.matrix = nn.Linear(6, 4)
        self.kernel = nn.Conv1d(4, 3, 3, padding=1)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.kernel(self.matrix(self.embedding(rows)).transpose(1, 2))
        return found


def run(folder: Path, muon: bool, stop_at: int | None) -> Toy:
    torch.manual_seed(4)
    toy = Toy()

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        rows = torch.from_numpy(rng.integers(8, size=(5, 7)))
        return (toy(rows) - torch.randn(5, 3, 7)).square().mean()

    train(toy, loss, Plan(folder, steps=12, rate=0.05, warmup=3, cooldown=4, muon=muon))
    return toy


@pytest.mark.parametrize("muon", [False, True])
def test_a_stopped_run_resumes_bit_for_bit(muon: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = signal.getsignal(signal.SIGTERM)
    try:
        whole = run(tmp_path / "whole", muon, None)
        run(tmp_path / "broken", muon, 6)
        assert torch.load(tmp_path / "broken" / "state.pt", weights_only=False)["step"] == 7
        resumed = run(tmp_path / "broken", muon, None)
    finally:
        signal.signal(signal.SIGTERM, before)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    means = [torch.load(tmp_path / name / "ema.pt") for name in ("whole", "broken")]
    assert all(torch.equal(means[0][k], means[1][k]) for k in means[0])


@pytest.mark.parametrize("muon", [False, True])
def test_training_lowers_the_loss_and_moves_every_weight(muon: bool, tmp_path: Path) -> None:
    torch.manual_seed(4)
    toy = Toy()
    start = {k: v.detach().clone() for k, v in toy.named_parameters()}
    rows, wanted = torch.randint(0, 8, (16, 7)), torch.randn(16, 3, 7)
    found: list[float] = []

    def loss(_step: int, _rng: np.random.Generator) -> Tensor:
        value = (toy(rows) - wanted).square().mean()
        found.append(value.item())
        return value

    before = signal.getsignal(signal.SIGTERM)
    try:
        train(toy, loss, Plan(tmp_path, steps=40, rate=0.03, warmup=3, cooldown=10, muon=muon))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert found[-1] < 0.8 * found[0]
    assert all(not torch.equal(v, start[k]) for k, v in toy.named_parameters())
