"""Imports packs unmodified: ComfyUI's module names lead to stand-ins of ours, and only in packs to ``nodes``."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from nodes.packs import running
from nodes.packs.found import Pack
from nodes.packs.host import FACADES
from nodes.packs.missing import missing

PREFIX = "dagfusion_packs"
# ComfyUI's module that our own package has the name of: only packs see theirs.
_SHARED = "nodes"
_HOST = frozenset(
    {
        "folder_paths",
        "comfy",
        "comfy_extras",
        "comfy_api",
        "comfy_execution",
        "server",
        "execution",
        "latent_preview",
        "node_helpers",
        "comfyui_version",
    }
)
_roots: set[str] = set()
_real_import = builtins.__import__


def import_pack(pack: Pack) -> ModuleType:
    """The pack's module, imported once a process. Raises whatever the pack raises."""
    _install()
    name = f"{PREFIX}.{pack.module}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    # As it is named and as it lies, since packs look at their own paths either way.
    _roots.update(str(path) for path in (pack.path.absolute(), pack.path.resolve()))
    running.add_pack_folder(pack.path.absolute().parent)
    places = [str(pack.path)] if pack.path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, pack.file, submodule_search_locations=places)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def host_module(name: str) -> ModuleType:
    """What packs get for ComfyUI's module ``name``; where there is no facade, all of it is stand-ins."""
    private = f"{PREFIX}_host.{name}"
    module = sys.modules.get(private)
    if module is None:
        module = sys.modules[private] = _made(name)
    return module


def _made(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = []
    # Packs look for ComfyUI's folder beside its files: they find an empty one of their own.
    module.__file__ = str(Path(tempfile.gettempdir(), "dagfusion-packs", f"{name.replace('.', '/')}.py"))
    facades = [importlib.import_module(f"nodes.packs.host.{part}") for part in FACADES.get(name, ())]
    for facade in facades:
        module.__dict__.update({key: value for key, value in vars(facade).items() if not key.startswith("__")})
    more = [facade.__getattr__ for facade in facades if hasattr(facade, "__getattr__")]

    def attribute(wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        below = f"{name}.{wanted}"
        if below in FACADES:
            return host_module(below)
        found = next((value for look in more if (value := look(wanted)) is not None), None)
        return missing(name, wanted) if found is None else found

    module.__getattr__ = attribute  # type: ignore[method-assign]
    return module


class _HostLoader(Loader):
    """Hands out a host module under the name by which packs know it."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return host_module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass  # It is made.


class _HostFinder(MetaPathFinder):
    """Finds ComfyUI's modules by name."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in _HOST:
            return ModuleSpec(fullname, _HostLoader(), is_package=True)
        return None


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """``import``, which gives a pack's files ComfyUI's ``nodes`` and all others ours."""
    if level == 0 and name == _SHARED and globals is not None and _is_packs(globals.get("__file__")):
        module = host_module(_SHARED)
        for wanted in fromlist or ():
            if wanted != "*" and not hasattr(module, wanted):
                setattr(module, wanted, missing(_SHARED, wanted))
        return module
    return _real_import(name, globals, locals, fromlist, level)


def _is_packs(file: Any) -> bool:
    return isinstance(file, str) and any(file == root or file.startswith(f"{root}/") for root in _roots)


_finder = _HostFinder()


def _install() -> None:
    if _finder in sys.meta_path:
        return
    sys.meta_path.insert(0, _finder)
    builtins.__import__ = _import
    parent = ModuleType(PREFIX)
    parent.__path__ = []
    sys.modules.setdefault(PREFIX, parent)
