"""How settings are read: lists in one variable, and what is told of wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from engine.errors import DagfusionError


def parts_of(value: object) -> object:
    """The text of a variable that is a list, separated by commas; what is no text stays as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


@contextmanager
def explained() -> Iterator[None]:
    """Within, settings that are wrong are a ``DagfusionError`` that names all of them."""
    try:
        yield
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        remedy = "change its option, or its variable in the environment"
        raise DagfusionError(f"a setting is wrong: {wrong}", remedy=remedy) from error
