"""``comfy.comfy_types``: names of types, and bases that packs' classes may have."""

from __future__ import annotations

from typing import Any

from nodes.packs.host.api_types import IO_TYPES


class _AnyName(str):
    """A type that equals every other, as packs compare them."""

    __slots__ = ()

    def __ne__(self, _: object) -> bool:
        return False

    __hash__ = str.__hash__

    def __eq__(self, _: object) -> bool:
        return True


class IO:
    """Names of types."""

    ANY = _AnyName("*")
    NUMBER = "FLOAT,INT"
    PRIMITIVE = "STRING,FLOAT,INT,BOOLEAN"
    COMBO = "COMBO"


for _name in IO_TYPES.values():
    if _name != "*":
        setattr(IO, _name, _name)


class ComfyNodeABC:
    """The base of a class."""

    DESCRIPTION = ""
    CATEGORY = ""


class CheckLazyMixin:
    """Asks for all lazy inputs that are not known."""

    def check_lazy_status(self, **kwargs: Any) -> list[str]:
        """Those that are ``None``."""
        return [name for name, value in kwargs.items() if value is None]


InputTypeDict = HiddenInputTypeDict = InputTypeOptions = FileLocator = dict
