"""``comfy.model_management``: our model store decides what is loaded, so packs are told one device and no more."""

from __future__ import annotations

import enum
from typing import Any

import torch

from engine.errors import Cancelled
from engine.host_memory import free_memory_bytes
from nodes.packs.running import context_or_none

InterruptProcessingException = Cancelled
OOM_EXCEPTION = torch.OutOfMemoryError
XFORMERS_IS_AVAILABLE = XFORMERS_ENABLED_VAE = False
current_loaded_models: list[Any] = []


class VRAMState(enum.Enum):
    """How much is kept on the device."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(enum.Enum):
    """What computes."""

    GPU = 0
    CPU = 1
    MPS = 2


vram_state = set_vram_to = VRAMState.NORMAL_VRAM


def get_torch_device() -> torch.device:
    """Where the run computes."""
    ctx = context_or_none()
    return torch.device("cpu") if ctx is None or ctx.models is None else torch.device(ctx.models.device)


vae_device = text_encoder_device = unet_inital_load_device = get_torch_device


def unet_offload_device(*_: Any) -> torch.device:
    """Where weights rest."""
    return torch.device("cpu")


vae_offload_device = text_encoder_offload_device = intermediate_device = unet_offload_device


def get_torch_device_name(device: Any) -> str:
    """The device's name."""
    return str(device)


def is_device_type(device: Any, kind: str) -> bool:
    """Whether the device is of that kind."""
    return getattr(device, "type", str(device)) == kind


def is_device_cpu(device: Any) -> bool:
    """Whether it is the CPU."""
    return is_device_type(device, "cpu")


def is_device_cuda(device: Any) -> bool:
    """Whether it is a GPU of CUDA's."""
    return is_device_type(device, "cuda")


def is_device_mps(device: Any) -> bool:
    """Whether it is Apple's."""
    return is_device_type(device, "mps")


def is_nvidia() -> bool:
    """Whether CUDA is NVIDIA's."""
    return torch.cuda.is_available() and torch.version.cuda is not None


def is_amd() -> bool:
    """Whether it is AMD's."""
    return torch.cuda.is_available() and torch.version.hip is not None


def is_intel_xpu(*_: Any) -> bool:
    """Not one of ours."""
    return False


xformers_enabled = xformers_enabled_vae = sage_attention_enabled = flash_attention_enabled = is_intel_xpu
is_directml_enabled = is_device_xpu = is_intel_xpu


def cpu_mode() -> bool:
    """Whether the CPU computes."""
    return is_device_cpu(get_torch_device())


def mps_mode() -> bool:
    """Whether Apple's GPU computes."""
    return is_device_mps(get_torch_device())


def should_use_fp16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Half precision is for GPUs."""
    return not is_device_cpu(device or get_torch_device())


def should_use_bf16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Not unless asked for."""
    return False


def unet_dtype(*_: Any, **__: Any) -> torch.dtype:
    """What networks of packs compute in."""
    return torch.float16 if should_use_fp16() else torch.float32


vae_dtype = text_encoder_dtype = unet_dtype


def intermediate_dtype(*_: Any) -> torch.dtype:
    """What pictures and latents are kept in."""
    return torch.float32


def unet_manual_cast(*_: Any, **__: Any) -> None:
    """No cast."""


def dtype_size(dtype: torch.dtype) -> int:
    """Bytes of one number."""
    return dtype.itemsize


def module_size(module: torch.nn.Module) -> int:
    """Bytes of a module's tensors."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in module.state_dict().values())


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Free bytes of the device."""
    device = dev or get_torch_device()
    free = torch.cuda.mem_get_info(device)[0] if is_device_cuda(device) else free_memory_bytes()
    return (free, free) if torch_free_too else free


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """All bytes of the device."""
    import psutil

    device = dev or get_torch_device()
    total = torch.cuda.mem_get_info(device)[1] if is_device_cuda(device) else psutil.virtual_memory().total
    return (total, total) if torch_total_too else total


def load_models_gpu(*_: Any, **__: Any) -> None:
    """Models are loaded when they compute."""


load_model_gpu = free_memory = unload_all_models = cleanup_models = load_models_gpu
soft_empty_cache = unload_model_clones = interrupt_current_processing = load_models_gpu
cleanup_models_gc = reset_cast_buffers = load_models_gpu


def loaded_models(*_: Any, **__: Any) -> list[Any]:
    """None that packs could unload."""
    return []


def processing_interrupted() -> bool:
    """Whether the run is cancelled."""
    ctx = context_or_none()
    return ctx is not None and ctx.cancel.cancelled


def throw_exception_if_processing_interrupted() -> None:
    """Raise where the run is cancelled."""
    ctx = context_or_none()
    if ctx is not None:
        ctx.check_cancelled()


def cast_to(weight: torch.Tensor, dtype: Any = None, device: Any = None, **_: Any) -> torch.Tensor:
    """The tensor in another type, on another device."""
    return weight.to(device=device, dtype=dtype)


cast_to_device = lambda tensor, device, dtype, copy=False: tensor.to(device=device, dtype=dtype, copy=copy)  # noqa: E731
