"""Writes GGUF files of models as users have them, and the same numbers as float32 safetensors."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file

Q8 = gguf.GGMLQuantizationType.Q8_0


def as_gguf(model: Path, target: Path, arch: gguf.MODEL_ARCH | None = None, architecture: str = "flux") -> None:
    """``model`` (safetensors) as ``target``, in Q8_0 where rows allow it, and its numbers beside it as safetensors.

    ``arch``: of a language model, whose tensors have llama.cpp's names.
    """
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[arch] if arch else architecture)
    names = gguf.get_tensor_name_map(arch, 99) if arch else None
    numbers: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(model).items():
        array = tensor.float().numpy()
        called = names.get_name(name, try_suffixes=(".weight", ".bias")) if names else name
        if called is None:
            raise ValueError(f"llama.cpp has no name for '{name}'")
        if array.ndim == 2 and array.shape[1] % 32 == 0 and "relative_attention" not in name:
            blocks = gguf.quantize(array, Q8)
            writer.add_tensor(called, blocks, raw_dtype=Q8)
            array = gguf.dequantize(blocks, Q8)
        else:
            writer.add_tensor(called, array)
        numbers[name] = torch.from_numpy(np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(numbers, target.with_suffix(".safetensors"))
