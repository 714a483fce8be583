"""Finds the families: each folder beside this file that declares one. Importing a declaration loads nothing heavy."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from nodes import families as here
from nodes.families.family import ControlKind, EncoderKind, Family, PatchKind, VaeKind


@cache
def families() -> Mapping[str, Family]:
    """All families by name, in alphabetical order."""
    packages = sorted(found.name for found in pkgutil.iter_modules(here.__path__) if found.ispkg)
    return {name: import_module(f"{here.__name__}.{name}").FAMILY for name in packages}


@cache
def encoder_kinds() -> Mapping[str, EncoderKind]:
    """All kinds of text encoders by name."""
    return {kind.name: kind for family in families().values() for kind in family.encoders}


@cache
def vae_kinds() -> Mapping[str, VaeKind]:
    """All kinds of VAEs by name."""
    return {kind.name: kind for family in families().values() for kind in family.vaes}


@cache
def control_kinds() -> Mapping[str, ControlKind]:
    """All kinds of ControlNets by name."""
    return {kind.name: kind for family in families().values() for kind in family.controls}


@cache
def patch_kinds() -> Mapping[str, PatchKind]:
    """All kinds of networks beside a model's by name."""
    return {kind.name: kind for family in families().values() for kind in family.patches}


def node_modules() -> Iterator[ModuleType]:
    """The declarations of the node classes that only one family has: its ``nodes.py``, where there is one."""
    for family in families().values():
        if find_spec(f"{family.package}.nodes") is not None:
            yield import_module(f"{family.package}.nodes")
