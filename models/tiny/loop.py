"""A training loop that resumes: AdamW or Muon, warm-up, constant rate, linear cool-down, EMA, one state file."""

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train. `steps` may be changed between runs: only the cool-down depends on it.

    Where a machine is shared and steps per minute are unknown, `minutes` of this run end it too, the last half of
    them cooling down. `muon` gives matrices and kernels orthogonal steps (Muon, Jordan et al. 2024), scaled so that
    `rate` means what it means to AdamW, which keeps the rest.
    """

    folder: Path
    steps: int
    rate: float
    warmup: int = 200
    cooldown: int = 1000
    ema: float = 0.998
    weight_decay: float = 0.01
    save_every_s: float = 150.0
    seed: int = 0
    minutes: float = math.inf
    muon: bool = False

    def rate_at(self, step: int, run_s: float) -> float:
        """The learning rate of a step: constant between warm-up and cool-down, so that training can be prolonged."""
        cool = min((self.steps - step) / self.cooldown, 2 - 2 * run_s / (60 * self.minutes))
        return self.rate * min(1.0, (step + 1) / self.warmup, max(0.02, cool))


class Ema:
    """A running mean of the trained weights; young runs forget faster."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = module
        self.mean = {k: v.detach().clone() for k, v in module.named_parameters() if v.requires_grad}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        names = list(self.mean)
        current = dict(self.module.named_parameters())
        torch._foreach_lerp_([self.mean[n] for n in names], [current[n] for n in names], 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """A full state dict of the module, with the means in place of what is trained."""
        return {**{k: v.detach().clone() for k, v in self.module.state_dict().items()}, **self.mean}


def share_cores() -> None:
    """Two threads on an idle machine, one on a busy one, where the second would make every step wait for its core.

    Where OMP_NUM_THREADS is set, that many: two trainers side by side do best with one each.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) if Path("/proc/loadavg").exists() else 1
    torch.set_num_threads(1 if running > 2 else 2)


def optimisers(module: nn.Module, plan: Plan) -> list[torch.optim.Optimizer]:
    """AdamW, preceded by Muon for the weights of two and more dimensions, token tables left out, where planned."""
    trained = {k: v for k, v in module.named_parameters() if v.requires_grad}
    matrices = [k for k, v in trained.items() if plan.muon and v.ndim >= 2 and "embedding" not in k]
    rest = [v for k, v in trained.items() if k not in matrices]
    adam = torch.optim.AdamW(rest, plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True)
    if not matrices:
        return [adam]
    flat = [nn.Parameter(trained[k].detach().flatten(1)) for k in matrices]  # views: a step changes the kernels

    def lend_gradients(*_: object) -> None:
        for view, name in zip(flat, matrices, strict=True):
            gradient = trained[name].grad
            view.grad = None if gradient is None else gradient.flatten(1)

    muon = torch.optim.Muon(flat, plan.rate, weight_decay=plan.weight_decay, adjust_lr_fn="match_rms_adamw")
    muon.register_step_pre_hook(lend_gradients)
    return [muon, adam]


def train(module: nn.Module, loss: Callable[[int, np.random.Generator], Tensor], plan: Plan) -> None:
    """Trains in place until plan.steps, resuming from `state.pt` in the plan's folder; leaves the means in `ema.pt`."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    file = plan.folder / "state.pt"
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    trained = [p for p in module.parameters() if p.requires_grad]
    steppers = optimisers(module, plan)
    ema = Ema(module, plan.ema)
    step, spent_s = 0, 0.0
    if file.exists():
        state = torch.load(file, weights_only=False)
        module.load_state_dict(state["module"])
        ema.mean = state["ema"]
        for stepper, held in zip(steppers, state["optimisers"], strict=True):
            stepper.load_state_dict(held)
        step, spent_s = state["step"], state["spent_s"]
        torch.set_rng_state(state["torch_rng"])
        rng.bit_generator.state = state["numpy_rng"]

    def save() -> None:
        state = {
            "module": module.state_dict(),
            "ema": ema.mean,
            "optimisers": [stepper.state_dict() for stepper in steppers],
            "step": step,
            "spent_s": spent_s + time.monotonic() - start,
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": rng.bit_generator.state,
        }
        for content, name in ((state, "state.pt"), (ema.state(), "ema.pt")):
            torch.save(content, plan.folder / f"{name}.new")
            os.replace(plan.folder / f"{name}.new", plan.folder / name)  # a run stopped here loses nothing

    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    start = saved = time.monotonic()
    recent: list[float] = []
    while step < plan.steps and not stopped and time.monotonic() - start < 60 * plan.minutes:
        rate = plan.rate_at(step, time.monotonic() - start)
        for group in (group for stepper in steppers for group in stepper.param_groups):
            group["lr"] = rate
        if step % 4 == 0:
            share_cores()
        value = loss(step, rng)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for stepper in steppers:
            stepper.step()
        module.zero_grad()
        ema.update(step)
        step += 1
        recent.append(float(value.detach()))
        if step % 50 == 0:
            _record(plan.folder / "curve.csv", step, recent, spent_s + time.monotonic() - start, rate)
            recent = []
        if time.monotonic() - saved > plan.save_every_s:
            save()
            saved = time.monotonic()
    save()


def _record(file: Path, step: int, recent: list[float], seconds: float, rate: float) -> None:
    line = f"{step},{np.mean(recent):.5f},{seconds:.0f},{rate:.2e}"
    print(line, flush=True)
    with file.open("a") as out:
        out.write(line + "\n")
