"""What a pack asks of ComfyUI that is not here: it can be imported, subclassed and named; only a call raises."""

from __future__ import annotations

from typing import Any

from engine.errors import DagfusionError

asked: set[str] = set()
"""The whole names of all that was asked for in this process."""


class HostLacks(DagfusionError):
    """A pack called something of ComfyUI's inside that this host does not have."""


class _Stand(type):
    """The class of stand-ins: their attributes are stand-ins too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(f"{cls.__module__}.{cls.__qualname__}", name)

    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if "_stands_for" in vars(cls):
            raise HostLacks(
                f"the pack calls {vars(cls)['_stands_for']}, which is not here",
                remedy="`dagfusion packs check` lists what a pack asks for; its other nodes go on working",
            )
        return super().__call__(*args, **kwargs)


def missing(module: str, name: str) -> Any:
    """A stand-in for ``module.name``."""
    whole = f"{module}.{name}"
    asked.add(whole)
    return _Stand(name, (), {"__module__": module, "__qualname__": name, "_stands_for": whole})


def is_missing(value: Any) -> bool:
    """Whether ``value`` is a stand-in itself (a pack's class over one is not)."""
    return isinstance(value, _Stand) and "_stands_for" in vars(value)
