"""Runs a transformer's block within what is wrapped around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from nodes.hooks import BlockWrapper, HookSite

State = Mapping[str, Tensor]


def through(wrappers: Sequence[BlockWrapper], run: Callable[[State], State], state: State, site: HookSite) -> State:
    """What the block ``run`` makes of ``state`` within ``wrappers``, the first of which is outermost."""
    if not wrappers:
        return run(state)
    return wrappers[0](lambda inner: through(wrappers[1:], run, inner, site), state, site)
