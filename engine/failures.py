"""Turns what a node raised into the run's error: which node, with which inputs. Frees memory if that ran out."""

from __future__ import annotations

import gc
import sys
import traceback
from typing import TYPE_CHECKING

from engine.cache import Cache
from engine.errors import ModelUnreadable, NodeFailed, OutOfMemory, is_out_of_memory
from engine.node_call import Inputs, short_inputs
from engine.resolved import ResolvedNode

if TYPE_CHECKING:
    from engine.model_store import ModelStore


def failure(node: ResolvedNode, inputs: Inputs, error: Exception) -> NodeFailed:
    """The error to raise from ``error``. If it is about a file that an input names, it names that input."""
    if isinstance(error, ModelUnreadable) and error.input is None:
        error.input = next((name for name, path in node.files.items() if path.name in error.message), None)
    kind = OutOfMemory if is_out_of_memory(error) else NodeFailed
    return kind(node.id, node.class_type, error, short_inputs(inputs))


def free_memory(cache: Cache, models: ModelStore, error: BaseException) -> None:
    """Drop every cached value and loaded network, and what the frames of the failed run still hold."""
    cache.clear()
    models.free()
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
