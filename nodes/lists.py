"""Lists: nodes that read one are called for each of its items."""

from __future__ import annotations

from typing import Annotated, Any

from engine.context import Context
from engine.inputs import Grow, Growing, Matched
from engine.registry import node

_Alike = Annotated[Any, Matched("type")]


@node(
    "CreateList",
    category="utilities",
    display_name="Create List",
    input_is_list=True,
    output_is_list=(True,),
    output_names=("list",),
)
def create(ctx: Context, *, inputs: Annotated[Grow[_Alike], Growing(max=10)]) -> _Alike:
    """All values in one list, those of lists one by one."""
    return [value for values in inputs.values() for value in values]
