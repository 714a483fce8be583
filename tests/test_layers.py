"""Imports point one way: adapters -> nodes -> engine, and inside engine from the executor down to errors."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from nodes.families.found import families

ROOT = Path(__file__).parents[1]
LAYERS = ("engine", "nodes", "adapters")
ENGINE_MAY_IMPORT = {"networkx", "pydantic", "numpy", "torch", "yaml", "safetensors"}
# Files that the check and the listing of nodes import; what they load is loaded by every command.
HEAVY = {
    "torch",
    "networkx",
    "numpy",
    "diffusers",
    "transformers",
    "scipy",
    "kornia",
    "PIL",
    "av",
    "safetensors",
    "yaml",
}
LIGHT_ENGINE = {
    *("errors", "types", "inputs", "schema", "registry", "events", "context", "folders"),
    *("suggest", "workflow", "calls", "coerce", "links", "resolve", "resolved", "validate"),
    *("left_out", "packs", "file_inputs", "object_info", "fingerprint", "sizes", "entry", "cache"),
    *("result", "engine", "collection", "sources", "device_scheduler", "computing", "device_slot", "in_progress"),
    *("counted", "notes", "limits", "disk_room", "journal", "prefix_check", "host_memory", "memory_check"),
    *("media_suffixes", "dynamic", "encoded", "scratch", "publishing", "output_names", "request"),
}


def files(layer: str) -> list[Path]:
    return sorted(p for p in (ROOT / layer).rglob("*.py") if "__pycache__" not in p.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_load: bool) -> Iterator[str]:
    """Modules that a file imports; ``at_load``: only those that importing it loads (no functions, no type checking)."""
    stack: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0, f"{path}: relative import"
            assert part.module
            yield part.module
            yield from (f"{part.module}.{alias.name}" for alias in part.names)
        if at_load and isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_load and isinstance(part, ast.If) and "TYPE_CHECKING" in ast.unparse(part.test):
            stack += part.orelse
            continue
        stack += ast.iter_child_nodes(part)


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_one_above_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = [(p.name, m) for p in files(layer) for m in imports(p, at_load=False) if m.split(".")[0] in above]
    assert not wrong


FLOORS = ("host", "service", "run", "doors")
# A door that hosts the HTTP application takes it from there.
THE_HOSTED_APPLICATION = "adapters.doors.http.hosting"


def _floor(module: str) -> int:
    """The floor's number; the names that platforms call stand above all floors."""
    name = module.split(".")[1] if module.count(".") else ""
    return FLOORS.index(name) if name in FLOORS else len(FLOORS)


def _own(path: Path) -> set[str]:
    return {m for m in imports(path, at_load=False) if m.startswith("adapters.") and _floor(m) < len(FLOORS)}


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_of_the_adapters_imports_one_above_it(floor: str) -> None:
    here = FLOORS.index(floor)
    wrong = [(p.name, m) for p in files(f"adapters/{floor}") for m in _own(p) if _floor(m) > here]
    assert not wrong


def test_doors_do_not_import_each_other() -> None:
    wrong = [
        (module_name(path), m)
        for path in files("adapters/doors")
        for m in _own(path)
        if m.startswith("adapters.doors.")
        and m.split(".")[2] != module_name(path).split(".")[2]
        and not m.startswith(THE_HOSTED_APPLICATION)
    ]
    assert not wrong


PLATFORMS = sorted({path.parent.name for path in (ROOT / "adapters" / "doors").glob("*/__init__.py")} - {"cli", "http"})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_only_its_own_door_names_a_platform(platform: str) -> None:
    """Beside the names that platforms call: so what one of them wants changes nothing for the others."""
    here = ROOT / "adapters" / "doors" / platform
    word = re.compile(rf"\b{platform}\b", re.IGNORECASE)
    wrong = [
        path.relative_to(ROOT).as_posix()
        for path in files("adapters")
        if path.parent != ROOT / "adapters" and not path.is_relative_to(here)
        if word.search(path.read_text(encoding="utf-8"))
    ]
    assert not wrong


def test_the_names_that_platforms_call_only_name_a_door() -> None:
    for path in (ROOT / "adapters").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 10, path.name


def test_packages_of_the_adapters_import_each_other_without_circles() -> None:
    """By package: host.settings, service.store, doors.http ..."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path in files("adapters"):
        package = ".".join(module_name(path).split(".")[1:3])
        graph.add_edges_from((package, ".".join(m.split(".")[1:3])) for m in _own(path))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    assert not list(nx.simple_cycles(graph))


def test_nothing_imports_tests_or_benchmarks() -> None:
    outside = {"tests", "benchmarks", "models"}
    the_door_to_benchmarks = ROOT / "adapters" / "doors" / "cli" / "bench.py"
    wrong = [
        (p.name, m)
        for layer in LAYERS
        for p in files(layer)
        if p != the_door_to_benchmarks
        for m in imports(p, at_load=False)
        if m.split(".")[0] in outside
    ]
    assert not wrong


def test_engine_imports_only_what_the_design_allows() -> None:
    allowed = ENGINE_MAY_IMPORT | set(sys.stdlib_module_names) | {"engine"}
    wrong = [(p.name, m) for p in files("engine") for m in imports(p, at_load=False) if m.split(".")[0] not in allowed]
    assert not wrong


def test_light_engine_modules_load_nothing_heavy() -> None:
    wrong = []
    for name in LIGHT_ENGINE:
        path = ROOT / "engine" / f"{name}.py"
        found = list(imports(path, at_load=True))
        wrong += [(name, m) for m in found if m.split(".")[0] in HEAVY]
        modules = {m.removeprefix("engine.").split(".")[0] for m in found if m.startswith("engine.")}
        here = {m for m in modules if (ROOT / "engine" / f"{m}.py").is_file() or (ROOT / "engine" / m).is_dir()}
        wrong += [(name, m) for m in here - LIGHT_ENGINE]
    assert not wrong


def test_node_declarations_load_nothing_heavy() -> None:
    declarations = sorted((ROOT / "nodes").glob("*.py"))
    wrong = [(p.name, m) for p in declarations for m in imports(p, at_load=True) if m.split(".")[0] in HEAVY]
    assert not wrong


FAMILIES = sorted(path.parent.name for path in (ROOT / "nodes" / "families").glob("*/__init__.py"))
SHARED = [
    path
    for layer in LAYERS
    for path in files(layer)
    if path.relative_to(ROOT).parts[:2] != ("nodes", "families") or len(path.relative_to(ROOT).parts) == 3
]


def test_only_families_import_families() -> None:
    """What is shared finds families by their folders and knows none; a folder may build on another's parts."""
    assert {"sd", "sdxl"} <= set(FAMILIES)
    own = tuple(f"nodes.families.{name}" for name in FAMILIES)
    wrong = [(p.name, m) for p in SHARED for m in imports(p, at_load=False) if m.startswith(own)]
    assert not [each for each in wrong if each[1] in own or each[1].startswith(tuple(f"{name}." for name in own))]


def test_shared_mathematics_names_no_family() -> None:
    """No text that the program compares or looks up is a family's name, or that of one of its sets of encoders."""
    names = {*FAMILIES, *(texts.name for family in families().values() for texts in family.texts)}
    wrong = []
    for path in SHARED:
        if not path.is_relative_to(ROOT / "nodes" / "diffusion") and path.parent != ROOT / "nodes" / "families":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        wrong += [
            (path.name, part.lineno, part.value)
            for part in ast.walk(tree)
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in names
        ]
    assert not wrong


def test_engine_modules_import_each_other_without_cycles() -> None:
    names = {module_name(p): p for p in files("engine")}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, path in names.items():
        graph.add_edges_from((name, m) for m in imports(path, at_load=True) if m in names and m not in (name, "engine"))
    cycles = list(nx.simple_cycles(graph))
    assert not cycles
    # From the facade and the executor down to errors, which stand on nothing.
    assert not list(graph.successors("engine.errors"))
    assert "engine.errors" in nx.descendants(graph, "engine.executor")
    assert not list(graph.predecessors("engine.engine"))
    assert set(graph.predecessors("engine.run")) == {"engine.executor"}


def test_node_modules_can_be_imported_in_any_order() -> None:
    """Importing a module imports the packages around it first; none of these leads back to it."""
    names = {module_name(path): path for path in files("nodes")}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, path in names.items():
        for found in imports(path, at_load=True):
            parts = found.split(".")
            around = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
            graph.add_edges_from(
                (name, each) for each in around & names.keys() if not f"{name}.".startswith(f"{each}.")
            )
    circles = [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1]
    assert not circles


# Circles that are there, by the first module of each, with the number of its modules: none may come or grow.
CIRCLES: dict[str, dict[str, int]] = {
    "engine": {},
    "nodes": {"nodes": 12, "nodes.packs.host.core_nodes": 3},
    "adapters": {"adapters.doors.cli": 14},
}


@pytest.mark.parametrize("layer", LAYERS)
def test_modules_refer_to_each_other_without_new_circles(layer: str) -> None:
    """By all imports, also those inside functions and those for types only."""
    names = {module_name(path): path for path in files(layer)}
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, path in names.items():
        graph.add_edges_from((name, m) for m in imports(path, at_load=False) if m in names and m != name)
    found = {min(one): len(one) for one in nx.strongly_connected_components(graph) if len(one) > 1}
    assert found == CIRCLES[layer]


# Who reads a workflow and checks it: the preparing for all doors, the commands, and the examples that come along.
READERS = {
    "adapters/service/prepare/preparing.py",
    *(f"adapters/doors/cli/{name}.py" for name in ("check", "reading", "run")),
    "adapters/doors/http/examples.py",
}


def test_doors_have_workflows_read_and_checked_in_one_place() -> None:
    reading = {"engine.document.read_document", "engine.document.read_workflow", "engine.validate.inspect"}
    found = {
        path.relative_to(ROOT).as_posix()
        for floor in ("service", "doors")
        for path in files(f"adapters/{floor}")
        if reading & set(imports(path, at_load=False))
    }
    assert found == READERS


# What packs find here under ComfyUI's names: its V3 interface and its own node classes.
OF_COMFYUI = ROOT / "nodes" / "packs" / "host"


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for layer in LAYERS:
        for path in files(layer):
            if path.is_relative_to(OF_COMFYUI):
                continue
            for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(part, ast.ClassDef) and not part.name.startswith("_"):
                    places.setdefault(part.name, []).append(f"{path.relative_to(ROOT)}:{part.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_adapters_start_threads_in_one_way() -> None:
    made = {
        path.relative_to(ROOT).as_posix()
        for path in files("adapters")
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(part, ast.Call) and ast.unparse(part.func) in ("threading.Thread", "Thread")
    }
    assert made == {"adapters/host/threads.py"}


def test_nothing_but_the_settings_reads_the_environment() -> None:
    settings = ROOT / "adapters" / "host" / "settings"
    readers = {
        path.relative_to(ROOT).as_posix()
        for layer in LAYERS
        for path in files(layer)
        if not path.is_relative_to(settings)
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(part, ast.Attribute) and part.attr in ("environ", "getenv", "environb", "putenv")
    }
    assert not readers
