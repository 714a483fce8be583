"""Calling a node's side functions (``fingerprint``, ``validate``) with those of the inputs that they name."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

from engine.context import Context


def call_with_known(function: Callable[..., Any], ctx: Context, values: Mapping[str, Any]) -> Any:
    """``function(ctx, **values)``, leaving out what it does not name.

    A parameter that has no value (it is linked, so not computed yet) is ``None`` unless the function has a default.
    """
    needed, optional, takes_all = _parameters(function)
    given = {name: value for name, value in values.items() if takes_all or name in needed or name in optional}
    return result_of(function(ctx, **{**dict.fromkeys(needed), **given}))


def result_of(returned: Any) -> Any:
    """What a side function (``validate``, ``fingerprint``, ``lazy``) returned, also where it is ``async def``."""
    return asyncio.run(returned) if isinstance(returned, Coroutine) else returned


def names_input(function: Callable[..., Any] | None, name: str) -> bool:
    """Whether ``function`` has a parameter of its own for this input."""
    if function is None:
        return False
    needed, optional, _ = _parameters(function)
    return name in needed or name in optional


def takes_input(function: Callable[..., Any] | None, name: str) -> bool:
    """Whether ``function`` gets this input, by a parameter of its own or among all others."""
    return function is not None and (names_input(function, name) or _parameters(function)[2])


def names_with_default(function: Callable[..., Any]) -> frozenset[str] | None:
    """The inputs that ``function`` can do without, having defaults for them; ``None``: all that it does not need."""
    _, optional, takes_all = _parameters(function)
    return None if takes_all else optional


@lru_cache(maxsize=4096)
def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], frozenset[str], bool]:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    named = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = tuple(p.name for p in named if p.default is p.empty)
    optional = frozenset(p.name for p in named if p.default is not p.empty)
    return needed, optional, any(p.kind is p.VAR_KEYWORD for p in parameters)
