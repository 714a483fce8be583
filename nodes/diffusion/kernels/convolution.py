"""Convolutions on a CPU whose weights are laid out once as oneDNN reads them, and not anew in each call.

Laying them out is most of the work where a convolution has many weights and few pixels, as at a UNet's deepest levels:
of 1,280 channels at 4x4 pixels a call takes a quarter of the time, at 16x16 three quarters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from engine.derived import Derived
from engine.quantized import Plain, Quantized
from engine.stored import LEAST_KERNELS, cast_when_used

# Below these it does not pay: weights, and weights for each number of the input.
LEAST_WEIGHTS = LEAST_KERNELS
LEAST_PER_INPUT = 16
_RELEASE_EVERY_BYTES = 128 * 2**20
_FORMATS = (torch.float32, torch.bfloat16)


def can_be_laid_out() -> bool:
    """Whether this torch has what that takes."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


class LaidOutOnce(TorchFunctionMode):
    """Within, on this thread, convolutions for which it pays take their weights from ``layouts``, while that has room.

    Without gradients only. Weights that a network has as its file has them are kept as numbers there, where laying them
    out does not pay. ``release``: called now and then, gives back the memory that reading such weights took.
    """

    def __init__(self, layouts: Derived, release: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._layouts = layouts
        self._release = release
        self._read_bytes = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called for each function of torch."""
        if func is torch.conv2d and len(args) == 7 and _pays(*args):
            made = self._convolved(*args)
            if made is not None:
                return made
        if func is torch.conv2d and len(args) == 7 and cast_when_used(args[1]):
            args = (args[0], self._numbers(args[1]), *args[2:])
        return func(*args, **(kwargs or {}))

    def _convolved(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Tensor | None:
        layout = partial(_laid_out, padding=padding, stride=stride, dilation=dilation, groups=groups, size=x.shape)
        weight_there = self._layouts.of(weight, lambda stored: layout(self._read(stored)))
        if weight_there is None:
            return None
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight_there, bias, padding, stride, dilation, groups, "none", [], ""
        )
        return made

    def _numbers(self, weight: Quantized) -> Tensor:
        assert isinstance(weight.source, Plain)
        kept = self._layouts.of(weight.source.stored, lambda _: self._read(weight), weight.nbytes)
        return weight.numbers() if kept is None else kept

    def _read(self, weight: Tensor) -> Tensor:
        if not isinstance(weight, Quantized):
            return weight
        numbers = weight.numbers()
        self._read_bytes += weight.stored_bytes
        if self._read_bytes > _RELEASE_EVERY_BYTES:
            self._release()
            self._read_bytes = 0
        return numbers


def _pays(x: Tensor, weight: Tensor, _bias: object, _stride: object, padding: object, *_others: object) -> bool:
    return (
        weight.numel() >= max(LEAST_WEIGHTS, LEAST_PER_INPUT * x.numel())
        and x.dim() == 4
        and x.dtype == weight.dtype
        and x.dtype in _FORMATS
        and weight.device.type == "cpu"
        and not isinstance(padding, str)
        and (not isinstance(weight, Quantized) or cast_when_used(weight))
    )


def _laid_out(
    weight: Tensor,
    *,
    padding: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    size: Sequence[int],
) -> Tensor:
    reorder: Callable[..., Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight  # torch's stub lacks the size
    return reorder(weight.detach().to_mkldnn(), padding, stride, dilation, groups, list(size))
