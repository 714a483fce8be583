"""A denoising step of SD1.5 at 512x512 against the bare diffusers UNet, float32 and bfloat16, interleaved.

``python -m benchmarks.step [--json FILE] [--repeats N] [--latent N] [--threads N]``. Weights are random; both sides run
the same module on the same inputs in turns (A B B A ...), so that what else the machine does falls on both.
The ratio is that of the medians, the bound 1.03.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from torch import Tensor

from nodes.diffusion import unet

BOUND = 1.03
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """Seconds a step: medians, and the quickest of each side."""

    precision: str
    latent_px: int
    repeats: int
    diffusers_s: float
    dagfusion_s: float
    diffusers_best_s: float
    dagfusion_best_s: float
    distance: float

    @property
    def ratio(self) -> float:
        """Ours over theirs, medians."""
        return self.dagfusion_s / self.diffusers_s

    @property
    def best_ratio(self) -> float:
        """Ours over theirs, the quickest of each."""
        return self.dagfusion_best_s / self.diffusers_best_s


def timed(call: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """(seconds, what came out)."""
    start = time.perf_counter()
    made = call()
    return time.perf_counter() - start, made


def measure(network: UNet2DConditionModel, precision: str, latent_px: int, repeats: int) -> Row:
    """``repeats`` rounds of both, after one that is not counted; batch 2, the prompt and its negative."""
    dtype = FORMATS[precision]
    network = network.to(dtype)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, latent_px, latent_px, generator=generator).to(dtype)
    context = torch.randn(2, 77, 768, generator=generator).to(dtype)
    timestep = torch.tensor([500, 500])
    sides: dict[str, Callable[[], Tensor]] = {
        "diffusers": lambda: network(x, timestep, context, return_dict=False)[0],
        "dagfusion": lambda: unet.predict(network, x, timestep, context),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    made: dict[str, Tensor] = {}
    with torch.no_grad():
        for turn in range(repeats + 1):
            for side in sorted(sides, reverse=bool(turn % 2)):
                took, made[side] = timed(sides[side])
                if turn:
                    seconds[side].append(took)
    theirs = made["diffusers"].float()
    distance = float((made["dagfusion"].float() - theirs).norm() / theirs.norm())
    medians = {side: statistics.median(taken) for side, taken in seconds.items()}
    best = {side: min(taken) for side, taken in seconds.items()}
    return Row(
        precision,
        latent_px,
        repeats,
        medians["diffusers"],
        medians["dagfusion"],
        best["diffusers"],
        best["dagfusion"],
        distance,
    )


def show(rows: list[Row], json_path: Path | None) -> None:
    """The table, and one JSON line a row."""
    table = Table(
        "precision", "latent", "diffusers", "dagfusion", "ratio", "of the best", "distance", title="UNet step"
    )
    for row in rows:
        table.add_row(
            row.precision,
            f"{row.latent_px}x{row.latent_px}",
            f"{row.diffusers_s:.3f} s",
            f"{row.dagfusion_s:.3f} s",
            f"{row.ratio:.3f} {'ok' if row.ratio <= BOUND else 'OVER'}",
            f"{row.best_ratio:.3f}",
            f"{row.distance:.1e}",
        )
    Console().print(table)
    lines = [json.dumps(asdict(row) | {"ratio": row.ratio, "best_ratio": row.best_ratio}) for row in rows]
    if json_path is None:
        print("\n".join(lines))
    else:
        json_path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Parse the options, make the network once, measure each precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--latent", type=int, default=64, help="side of the latent, an eighth of the picture's")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    network = UNet2DConditionModel(cross_attention_dim=768).requires_grad_(False).eval()
    show([measure(network, precision, given.latent, given.repeats) for precision in FORMATS], given.json)


if __name__ == "__main__":
    main()
