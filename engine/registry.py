"""The table of node classes, and the decorator that fills it."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from engine.errors import DagfusionError
from engine.schema import NodeSpec
from engine.sources import code_of

Function = TypeVar("Function", bound=Callable[..., Any])
ENTRY_POINT_GROUP = "dagfusion.nodes"
USER_NODES = "dagfusion_user_nodes"
_BUILT_IN = "nodes"  # the package of the classes that come with the program
_SPEC_ATTRIBUTE = "__dagfusion_nodes__"


def node(name: str, *, category: str, **options: Any) -> Callable[[Function], Function]:
    """Declare a function to be the node class ``name``; the function itself is returned unchanged.

    ``options`` are the fields of :class:`engine.schema.NodeSpec` (``output_node``, ``cacheable``, ``fingerprint`` ...).
    One function may carry several declarations, so that a class and its alias share it.
    """

    def declare(function: Function) -> Function:
        spec = NodeSpec(name=name, run=function, category=category, **options)
        declared: list[NodeSpec] = function.__dict__.setdefault(_SPEC_ATTRIBUTE, [])
        declared.append(spec)
        return function

    return declare


class Registry(Mapping[str, NodeSpec]):
    """Node classes by name. Adding modules is explicit, so that two engines in one process can differ."""

    def __init__(self) -> None:
        self._specs: dict[str, NodeSpec] = {}
        self._origins: dict[str, str] = {}

    def __getitem__(self, name: str) -> NodeSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def origin(self, name: str) -> str:
        """The module or file that declared the class."""
        return self._origins[name]

    def own(self) -> frozenset[str]:
        """The classes that do not come with the program, or that replace one which does."""
        return frozenset(name for name, origin in self._origins.items() if origin.partition(".")[0] != _BUILT_IN)

    def add(self, spec: NodeSpec, origin: str = "") -> None:
        """Add one class; a later one of the same name replaces it, as a user's own node replaces a built-in one."""
        self._specs[spec.name] = spec
        self._origins[spec.name] = origin

    def add_module(self, module: ModuleType) -> int:
        """Add every node that ``module`` declares, or imports from a module below it; returns how many there were."""
        declared = _declared_in(module)
        for spec in declared:
            self.add(spec, module.__name__)
        return len(declared)

    def add_folder(self, folder: Path) -> int:
        """Add every node in ``folder``'s Python files and packages. Raises ``DagfusionError`` naming a broken file."""
        if not folder.is_dir():
            raise DagfusionError(f"'{folder}' is not a folder", remedy="--nodes takes a folder of Python files")
        added = 0
        for path in sorted(folder.iterdir()):
            file = path / "__init__.py" if path.is_dir() else path
            if file.suffix == ".py" and file.is_file() and (path.is_dir() or not path.name.startswith("_")):
                added += self._add_foreign(f"node file '{file}'", partial(_import_file, file, path.stem))
        return added

    def add_entry_points(self) -> int:
        """Add the nodes of installed packages that name a module in the group ``dagfusion.nodes``.

        Raises ``DagfusionError`` naming a broken package.
        """
        return sum(
            self._add_foreign(f"node package '{found.name}' ({found.module})", partial(import_module, found.module))
            for found in entry_points(group=ENTRY_POINT_GROUP)
        )

    def _add_foreign(self, what: str, load: Callable[[], ModuleType]) -> int:
        """Add a module of a user's, whose mistakes are told at once and by name."""
        try:
            module = load()
            for spec in _declared_in(module):
                _read_now(spec, what)
        except DagfusionError:
            raise
        except Exception as error:
            raise DagfusionError(
                f"{what} failed to import: {type(error).__name__}: {error}", remedy="correct it, or leave it out"
            ) from error
        return self.add_module(module)


def _declared_in(module: ModuleType) -> list[NodeSpec]:
    return [
        spec
        for member in vars(module).values()
        # Looking at a lazily loaded library would load it.
        if not isinstance(member, ModuleType)
        and f"{getattr(member, '__module__', '')}.".startswith(f"{module.__name__}.")
        for spec in getattr(member, _SPEC_ATTRIBUTE, ())
    ]


def _read_now(spec: NodeSpec, what: str) -> None:
    """Read the schema, and the code where it counts, as they are while importing. Raises ``DagfusionError``."""
    try:
        first = next(iter(inspect.signature(spec.run).parameters.values()), None)
        if first is None or first.kind is not first.POSITIONAL_OR_KEYWORD or first.default is not first.empty:
            raise TypeError("its first parameter must be the context, as in def node(ctx, *, ...)")
        _ = spec.inputs, spec.outputs
        if spec.keep:
            code_of(spec.run.__module__)
    except Exception as error:
        raise DagfusionError(
            f"{what}, node class '{spec.name}': {error}", remedy="correct it, or leave it out"
        ) from error


def _import_file(file: Path, stem: str) -> ModuleType:
    name = _module_name(file, stem)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DagfusionError(f"'{file}' cannot be imported as Python", remedy="give it a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(file: Path, stem: str) -> str:
    """One that no other file has: those of two folders may be called alike, and their code is told apart by it."""
    names = (f"{USER_NODES}.{stem}{f'_{number}' if number > 1 else ''}" for number in itertools.count(1))
    return next(name for name in names if getattr(sys.modules.get(name), "__file__", str(file)) == str(file))
