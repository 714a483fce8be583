"""The tensors of a network, listed and exchanged in place."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Its parameters and buffers, each once."""
    return [*module.parameters(), *module.buffers()]


def replace_tensors(module: nn.Module, move: Callable[[Tensor], Tensor]) -> None:
    """Each parameter and buffer replaced by ``move`` of it; one that several modules share stays shared."""
    originals = tensors_of(module)  # kept alive, so that no new tensor takes over the id of an old one
    done: dict[int, Tensor] = {}
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = done.get(id(parameter))
                if moved is None:
                    moved = done[id(parameter)] = nn.Parameter(move(parameter.detach()), requires_grad=False)
                part._parameters[name] = moved  # type: ignore[assignment]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = done.setdefault(id(buffer), move(buffer))
    del originals


def set_parameter(module: nn.Module, name: str, value: Tensor) -> None:
    """Put another tensor in the place of the parameter ``name`` (``module.named_parameters()`` has these names)."""
    path, _, leaf = name.rpartition(".")
    module.get_submodule(path)._parameters[leaf] = nn.Parameter(value, requires_grad=False)
