"""Small nodes for tests of the engine: numbers, texts, lists, switches, loops, failures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from engine.context import Context
from engine.engine import Engine
from engine.errors import InputInvalid, Problem
from engine.folders import Folders
from engine.inputs import Anything, Choice, FileChoice, Float, Hidden, Int, Text, Wire
from engine.registry import Registry, node
from engine.schema import NodeSpec
from engine.types import Blocked, Expansion, Link
from engine.workflow import NodeDocument, Workflow

Whole = Annotated[int, Int(min=-1_000_000, max=1_000_000)]
LazyWhole = Annotated[int, Int(lazy=True)]
FileName = Annotated[str, FileChoice("checkpoints", before=("none",), network=True)]
Picture = Annotated[str, FileChoice("input", upload="image", allow_data_url=True)]


class Both(NamedTuple):
    total: int
    text: str


@node("Number", category="toys")
def number(ctx: Context, *, value: Whole = 0) -> int:
    """A number."""
    return value


@node("Add", category="toys", display_name="Add two")
def add(ctx: Context, *, a: Whole = 0, b: Whole = 0) -> int:
    return a + b


@node("AddOptional", category="toys")
def add_optional(ctx: Context, *, a: Whole, b: Annotated[int, Int(optional=True)] = 5) -> Both:
    return Both(a + b, str(a + b))


@node("Show", category="toys", output_node=True)
def show(ctx: Context, *, value: Anything) -> None:
    ctx.show("text", str(value))


@node("Save", category="toys", output_node=True)
def save(
    ctx: Context,
    *,
    value: Anything,
    name: str = "a",
) -> None:
    ctx.show("images", ctx.files(name).save(".txt", "text/plain", lambda path: path.write_text(str(value))))


@node("Range", category="toys", output_is_list=(True,))
def count_to(ctx: Context, *, count: Whole = 3) -> list[int]:
    return list(range(count))


@node("Total", category="toys", input_is_list=True)
def total(ctx: Context, *, values: list[int], weight: float = 1.0) -> Both:
    # A class that takes lists takes its typed-in values as lists too.
    assert isinstance(weight, list)
    return Both(sum(values), ",".join(map(str, values)))


@node("Switch", category="toys", lazy=lambda ctx, *, on, yes, no: ["yes" if on else "no"])
def switch(ctx: Context, *, on: bool, yes: LazyWhole, no: LazyWhole) -> int:
    return yes if on else no


@node("Gate", category="toys")
def gate(ctx: Context, *, value: Whole, is_open: bool = True, why: str = "") -> int | Blocked:
    return value if is_open else Blocked(why or None)


@node("Fail", category="toys")
def fail(ctx: Context, *, value: Whole = 0, kind: Annotated[str, Choice("ValueError", "Input", "Memory")]) -> int:
    if kind == "Input":
        raise InputInvalid("no such thing", input="value", remedy="use another")
    raise {"ValueError": ValueError, "Memory": MemoryError}[kind]("it broke")


@node("Always", category="toys", cacheable=False)
def always(ctx: Context, *, value: Whole = 0) -> int:
    return value


@node("Stamp", category="toys", fingerprint=lambda ctx, *, mode: _mark(ctx, mode))
def stamp(ctx: Context, *, value: Whole = 0, mode: Annotated[str, Choice("same", "file", "nan", "raise")]) -> int:
    return value


def _mark(ctx: Context, mode: str) -> Any:
    if mode == "raise":
        raise OSError("no answer")
    return {"same": 1, "nan": float("nan"), "file": (ctx.folders.input / "mark").read_text() if mode == "file" else ""}[
        mode
    ]


@node("Power", category="toys")
def power(ctx: Context, *, base: Whole, exponent: Whole) -> int | Expansion:
    """Base to the exponent by repeated expansion."""
    if exponent <= 0:
        return 1
    graph = {
        "less": {"class_type": "Power", "inputs": {"base": base, "exponent": exponent - 1}},
        "times": {"class_type": "Multiply", "inputs": {"a": base, "b": ["less", 0]}},
    }
    return Expansion(graph, (Link("times", 0),))


@node("Multiply", category="toys")
def multiply(ctx: Context, *, a: Whole, b: Whole) -> int:
    return a * b


@node("Expand", category="toys")
def expand(
    ctx: Context, *, value: Anything, graph: Anything, outputs: Annotated[Any, Wire("*", optional=True)] = None
) -> Anything:
    """Whatever the test says; ``VALUE`` in the graph stands for the value that came in."""
    nodes = {
        i: {**n, "inputs": {k: value if v == "VALUE" else v for k, v in n["inputs"].items()}} for i, n in graph.items()
    }
    made = tuple(value if o == "VALUE" else Link(o, 0) for o in outputs or [next(iter(graph))])
    return Expansion(nodes, made)


@node("LoadFile", category="toys")
def load_file(ctx: Context, *, name: FileName) -> str:
    return "nothing" if name == "none" else ctx.folders.find("checkpoints", name).read_text()


@node("LoadPicture", category="toys")
def load_picture(ctx: Context, *, image: Picture) -> str:
    return image[:10] if image.startswith("data:") else ctx.folders.find_input(image).read_text()


@node("WhoAmI", category="toys")
def who_am_i(ctx: Context, *, me: Annotated[str, Hidden("UNIQUE_ID")] = "") -> str:
    return me


@node("Checked", category="toys", validate=lambda ctx, *, size: None if size % 8 == 0 else f"{size} is not in eights")
def checked(
    ctx: Context,
    *,
    size: Annotated[int, Int(min=0, max=64)] = 8,
    scale: Annotated[float, Float(min=0.5, max=2.0)] = 1.0,
) -> int:
    return size


@node("Words", category="toys")
def words(
    ctx: Context, *, text: Annotated[str, Text(multiline=True)] = "", extra: Annotated[str, Text(optional=True)] = ""
) -> str:
    return text + extra


@node("AnyInputs", category="toys", accepts_any_input=True)
def any_inputs(ctx: Context, **values: Any) -> str:
    return ",".join(f"{name}={values[name]}" for name in sorted(values))


@node("Mixed", category="toys")
def mixed(ctx: Context, *, either: Annotated[Any, Wire("IMAGE,INT")], on: bool = False) -> int:
    return int(either)


@node("MakePicture", category="toys")
def make_picture(ctx: Context) -> Annotated[Any, Wire("IMAGE")]:
    return object()


@node("Fresh", category="toys")
def fresh_object(ctx: Context, *, seed: Whole = 0) -> Annotated[Any, Wire("IMAGE")]:
    return Opaque(seed)


@node("Opened", category="toys")
def opened(ctx: Context, *, image: Annotated[Any, Wire("IMAGE")]) -> int:
    return image.seed


class Opaque:
    """A value that is no JSON."""

    def __init__(self, seed: int) -> None:
        self.seed = seed


class Models:
    """Stands in for the model store."""

    freed = 0

    def free(self) -> None:
        self.freed += 1


def toy_registry() -> Registry:
    registry = Registry()
    for member in list(globals().values()):
        for spec in getattr(member, "__dagfusion_nodes__", ()):
            registry.add(spec, __name__)
    return registry


def workflow(**nodes: tuple[Any, ...]) -> Workflow:
    """``workflow(a=("Number", {"value": 1}))``; ids are the names without leading underscores."""
    return Workflow(
        nodes={
            name.lstrip("_"): NodeDocument(class_type=given[0], inputs=given[1] if len(given) > 1 else {})
            for name, given in nodes.items()
        }
    )


def chain(length: int, start: int = 0) -> Workflow:
    """``length`` nodes one after the other, the last of which shows."""
    nodes = {"0": NodeDocument(class_type="Number", inputs={"value": start})}
    for i in range(1, length - 1):
        nodes[str(i)] = NodeDocument(class_type="Add", inputs={"a": [str(i - 1), 0], "b": 1})
    nodes[str(length - 1)] = NodeDocument(class_type="Show", inputs={"value": [str(length - 2), 0]})
    return Workflow(nodes=nodes)


def toy_engine(folder: Path, cache_budget_bytes: int = 2**24, *, make_folders: bool = True) -> Engine:
    folders = Folders({"checkpoints": [folder / "checkpoints"]}, folder / "input", folder / "output", folder / "temp")
    for made in (folder / "checkpoints", folders.input) if make_folders else ():
        made.mkdir(parents=True, exist_ok=True)
    models: Any = Models()
    return Engine(toy_registry(), folders, models, cache_budget_bytes)


def add_node(engine: Engine, function: Any, name: str, **options: Any) -> None:
    """Let the engine know one more class."""
    assert isinstance(engine.registry, Registry)
    engine.registry.add(NodeSpec(name=name, run=function, category="test", **options))


def text(engine: Engine, flow: Workflow, node_id: str = "s") -> str:
    """The first text that a node shows when the workflow is run."""
    return str(engine.run(flow).outputs[node_id].shown["text"][0])


def codes(problems: tuple[Problem, ...]) -> list[tuple[str | None, str, str | None]]:
    """Node, code and input of each problem."""
    return [(p.node_id, p.code, p.input) for p in problems]


def one(engine: Engine, flow: Workflow) -> Problem:
    """The only problem of a workflow."""
    problems = engine.check(flow)
    assert len(problems) == 1, problems
    return problems[0]
