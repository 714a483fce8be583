"""The device that networks run on: what torch sees of it, the number formats it computes in, and what is chosen."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from adapters.service.doctor.findings import Examined, Finding, gigabytes
from adapters.service.doctor.machine import nvidia_driver
from engine.devices import compute_dtype, default_budget_bytes, pick_device
from engine.errors import DagfusionError
from nodes.diffusion.compiling import check_compiler

GROUP = "device"
LOW_VRAM_BYTES = 6e9
_FORMATS = (torch.float32, torch.float16, torch.bfloat16)


def devices(around: Examined) -> Iterator[Finding]:
    """Torch's build, every GPU, the formats of the chosen device, and the choice."""
    yield _build()
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield from _gpu(index)
    try:
        device = pick_device(around.settings.device)
        precision = around.settings.precision
        network, vae = (compute_dtype(device, precision, wide=wide) for wide in (False, True))
        heavy = compute_dtype(device, precision, wide=False, heavy=True)
    except DagfusionError as error:
        yield Finding(GROUP, "choice", "fail", error.message, error.remedy)
        return
    yield _formats(device, needed={network, heavy, vae})
    budget = gigabytes(default_budget_bytes(device))
    others = f"large networks {name(heavy)}" if heavy != network else f"VAE {name(vae)}"
    choice = f"{device}, {name(network)} ({others}), up to {budget} of weights"
    slow = (
        "pictures take minutes without a GPU; the embedded models and small sizes work" if device.type == "cpu" else ""
    )
    yield Finding(GROUP, "choice", "warn" if slow else "ok", choice, slow)
    if around.settings.compile != "off":
        yield _compiling(device, around.settings.compile)


def _compiling(device: torch.device, mode: str) -> Finding:
    try:
        check_compiler(device)
    except DagfusionError as error:
        return Finding(GROUP, "compiling", "fail", error.message, error.remedy)
    if device.type == "cpu":
        remedy = "leave it off on a CPU: it takes minutes, and steps take longer with it"
        return Finding(GROUP, "compiling", "warn", f"torch.compile, {mode}, on a CPU", remedy)
    return Finding(GROUP, "compiling", "ok", f"torch.compile, {mode}")


def name(dtype: torch.dtype) -> str:
    """``float16`` and the like."""
    return str(dtype).removeprefix("torch.")


def _build() -> Finding:
    toolkit = f"CUDA {torch.version.cuda}" if torch.version.cuda else None
    toolkit = toolkit or (f"ROCm {torch.version.hip}" if torch.version.hip else "CPU only")
    value, driver = f"torch {torch.__version__}, {toolkit}", nvidia_driver()
    if driver is None or torch.cuda.is_available():
        return Finding(GROUP, "torch", "ok", value + (f", driver {driver}" if driver else ""))
    value += f"; there is an NVIDIA driver ({driver}), and torch cannot use it"
    if torch.version.cuda is None:
        return Finding(GROUP, "torch", "fail", value, "install the CUDA build of torch that requirements.lock names")
    remedy = f"update the driver to one for CUDA {torch.version.cuda}; in a container, start it with --gpus all"
    return Finding(GROUP, "torch", "fail", value, remedy)


def _gpu(index: int) -> Iterator[Finding]:
    about = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    capability = f"{about.major}.{about.minor}"
    value = f"{about.name}, compute capability {capability}, {gigabytes(free)} of {gigabytes(total)} free"
    known = torch.cuda.get_arch_list()
    if known and not _runs_on(known, about.major, about.minor):
        remedy = (
            f"this build of torch has code for {', '.join(known)}: install one that has sm_{about.major}{about.minor}"
        )
        yield Finding(GROUP, f"cuda:{index}", "fail", value, remedy)
    elif free < LOW_VRAM_BYTES:
        remedy = "SDXL in float16 wants 6 GB and more: end what else uses the GPU, or keep to SD1.5"
        yield Finding(GROUP, f"cuda:{index}", "warn", value, remedy)
    else:
        yield Finding(GROUP, f"cuda:{index}", "ok", value)


def _runs_on(known: list[str], major: int, minor: int) -> bool:
    """Whether one of the architectures in a torch build runs on a GPU: binary code of its generation, or older PTX."""
    for arch in known:
        kind, _, digits = arch.partition("_")
        number = int("".join(c for c in digits if c.isdigit()) or 0)
        if (number // 10 == major and number % 10 <= minor) or (kind == "compute" and number <= major * 10 + minor):
            return True
    return False


def _formats(device: torch.device, needed: set[torch.dtype]) -> Finding:
    works = {dtype for dtype in _FORMATS if _multiplies(device, dtype)}
    stored = [dtype for dtype in (torch.float8_e4m3fn, torch.float8_e5m2) if _stores(device, dtype)]
    value = f"computes in {', '.join(name(d) for d in _FORMATS if d in works)}"
    value += f"; stores {', '.join(map(name, stored)) or 'no float8'}"
    lacking = needed - works
    if lacking:
        remedy = "set DAGFUSION_PRECISION to one that it computes in"
        return Finding(GROUP, "formats", "fail", f"{value}; {', '.join(map(name, lacking))} is set", remedy)
    return Finding(GROUP, "formats", "ok", value)


def _multiplies(device: torch.device, dtype: torch.dtype) -> bool:
    try:
        ones = torch.ones(8, 8, dtype=dtype, device=device)
        return bool(((ones @ ones).float() == 8).all())
    except RuntimeError:
        return False


def _stores(device: torch.device, dtype: torch.dtype) -> bool:
    try:
        return bool((torch.ones(4, device=device).to(dtype).float() == 1).all())
    except RuntimeError:
        return False
