"""Attention kernels: those in torch, tried out on the chosen device, packages that bring others, and the choice."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from adapters.service.doctor.devices import name
from adapters.service.doctor.findings import Examined, Finding
from engine.devices import compute_dtype, pick_device
from engine.errors import DagfusionError, first_line
from nodes.diffusion.kernels.choice import Forced, Probed, mix_for
from nodes.diffusion.kernels.probe import Case, ProbeResult

GROUP = "attention"
PACKAGES = {"sageattention": "sageattention", "xformers": "xformers", "flash_attn": "flash-attn"}
# Head widths and tokens of SD1.5 at 512 x 512 pixels and SDXL at 1024 x 1024, where they take longest.
_USUAL = ((40, 4096), (64, 4096), (64, 1024))
_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "plain": SDPBackend.MATH,
}


def attention(around: Examined) -> Iterator[Finding]:
    """Torch's kernels that work here, the one it picks for a picture's self-attention, and installed packages."""
    try:
        device = pick_device(around.settings.device)
        dtype = compute_dtype(device, around.settings.precision, wide=False)
    except DagfusionError:  # told of under the device's choice
        return
    q = torch.zeros(1, 8, 64, 64, device=device, dtype=dtype)
    working = [label for label, backend in _BACKENDS.items() if _works(q, backend)]
    value = f"{', '.join(working) or 'none'}, in {name(dtype)} on {device}"
    if not working:
        yield Finding(GROUP, "torch kernels", "fail", value, "install the torch build that requirements.lock names")
    elif working == ["plain"] and device.type == "cuda":
        remedy = "large pictures need much memory so: install a torch build for this GPU"
        yield Finding(GROUP, "torch kernels", "warn", value, remedy)
    else:
        yield Finding(GROUP, "torch kernels", "ok", value)
    if working:
        yield _choice(around, q)
    for module, distribution in PACKAGES.items():
        yield _package(module, distribution)


def _choice(around: Examined, q: torch.Tensor) -> Finding:
    """What denoisers use; on a GPU with SageAttention it is tried out as sampling would."""
    by_torch = f"torch scaled_dot_product_attention, {_picked(q)}"
    try:
        mix = mix_for(q.device, around.settings.attention)
    except DagfusionError as error:
        return Finding(GROUP, "choice", "fail", error.message, error.remedy)
    if isinstance(mix, Forced):
        return Finding(GROUP, "choice", "ok", f"{mix.sage.label} where it can be, else {by_torch}")
    if isinstance(mix, Probed):
        cases = [Case(q.device, q.dtype, width, tokens) for width, tokens in _USUAL]
        tried = "; ".join(f"{case}: {_short(mix.verdict(case))}" for case in cases)
        return Finding(GROUP, "choice", "ok", f"{mix.sage.label} where it pays ({tried}), else {by_torch}")
    return Finding(GROUP, "choice", "ok", by_torch)


def _short(verdict: ProbeResult) -> str:
    return f"{'yes' if verdict.good else 'no'}, {verdict}"


def _works(q: torch.Tensor, backend: SDPBackend) -> bool:
    try:
        with warnings.catch_warnings(), sdpa_kernel(backend):
            warnings.simplefilter("ignore")  # torch explains in warnings why a kernel does not fit
            F.scaled_dot_product_attention(q, q, q)
    except RuntimeError:
        return False
    return True


def _picked(q: torch.Tensor) -> str:
    """The kernel that torch takes where it may choose."""
    number = int(torch._fused_sdp_choice(q, q, q))
    return next((label for label, backend in _BACKENDS.items() if backend.value == number), f"kernel {number}")


def _package(module: str, distribution: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(GROUP, distribution, "ok", "not installed (optional)")
    try:
        found = version(distribution)
    except PackageNotFoundError:
        found = "of unknown version"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - kernels of another CUDA or torch fail in many ways
        remedy = f"install the {distribution} that was built for torch {torch.__version__}, or remove it"
        return Finding(GROUP, distribution, "warn", f"{found}, does not load: {first_line(error)}", remedy)
    return Finding(GROUP, distribution, "ok", found)
