"""Imports single module files of diffusers without the rest of their packages, which nothing here needs.

Two things, 3 s together where a small picture takes 2:

- ``from diffusers.models.transformers.transformer_2d import ...`` first runs ``transformers/__init__.py``, and so loads
  some 90 networks, offloading and, through them, half of transformers. Here such a top runs when a name is asked of the
  package that is no module file of its own, so that whatever worked still works.
- Some files import a heavy package where it is there, for one name, and do without where it is not: torch's compiler
  for a decorator of classes, transformers for a base class. They do without here, unless it is imported already.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

PACKAGES = frozenset(
    f"diffusers.{name}" for name in ("hooks", "models.autoencoders", "models.transformers", "models.unets")
)
OPTIONAL = {
    "diffusers.utils.torch_utils": "torch._dynamo",
    "diffusers.quantizers.pipe_quant_config": "transformers",
}
"""Module: the package that it can do without."""


class _Package(ModuleType):
    """A package whose top has not run; ``__getattr__`` is asked for names that it lacks, and for no other."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        _run_top(self)
        try:
            return self.__dict__[name]
        except KeyError:
            message = f"module '{self.__name__}' has no attribute '{name}'"
            raise AttributeError(message, name=name, obj=self) from None


_lock = threading.RLock()
_waiting: dict[str, importlib.abc.Loader] = {}


def _run_top(package: ModuleType) -> None:
    with _lock:  # as importlib.util.LazyLoader does
        loader = _waiting.pop(package.__name__, None)
        if loader is not None:
            loader.exec_module(package)


class _Deferring(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        _waiting[module.__name__] = self._loader


class _DoingWithout(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        before = getattr(_absent, "package", None)
        _absent.package = OPTIONAL[module.__name__]
        try:
            self._loader.exec_module(module)
        finally:
            _absent.package = before


_absent = threading.local()  # `package`: what this thread is told not to find
_LOADERS = dict.fromkeys(PACKAGES, _Deferring) | dict.fromkeys(OPTIONAL, _DoingWithout)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == getattr(_absent, "package", None):
            raise ModuleNotFoundError(f"{fullname} is not imported where it is optional", name=fullname)
        if fullname not in _LOADERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LOADERS[fullname](spec.loader)
        return spec


def install() -> None:
    """From now on; what is imported already stays as it is. Does nothing the second time."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
