"""What a class reads of a folder is in its key: by an input that names a file, or by a fingerprint of its own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.media.films import Film
from engine.context import Context
from engine.engine import Engine
from engine.folders import OWN_FOLDERS, Folders
from engine.inputs import FileChoice
from engine.model_store import ModelStore
from engine.schema import NodeSpec
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

REGISTRY = builtin_registry()
READS = {"find", "find_input", "files", "found"}


def reached(spec: NodeSpec) -> Iterator[ast.AST]:
    """All of the class's function, and of the functions of its module that it calls."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(spec.run)))  # type: ignore[arg-type]
    functions = {part.name: part for part in tree.body if isinstance(part, ast.FunctionDef)}
    seen: set[str] = set()
    waiting = [spec.run.__name__]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            for part in ast.walk(functions[name]):
                yield part
                waiting += [part.id] if isinstance(part, ast.Name) else []


def reads_folders(spec: NodeSpec) -> bool:
    return any(
        isinstance(part, ast.Attribute) and part.attr in READS and ast.unparse(part.value).endswith("folders")
        for part in reached(spec)
    )


def test_classes_that_read_folders_say_what_they_read() -> None:
    reading = [spec for spec in REGISTRY.values() if reads_folders(spec)]
    assert {"LoadAudio", "VHS_LoadVideoPath", "IPAdapterUnifiedLoader"} <= {spec.name for spec in reading}
    unsaid = [
        spec.name
        for spec in reading
        if spec.fingerprint is None and not any(isinstance(one.marker, FileChoice) for one in spec.given_inputs)
    ]
    assert unsaid == []


@pytest.mark.parametrize("path", ["film.mp4", "input/film.mp4"])
def test_a_film_named_by_a_path_is_the_one_that_is_there_now_and_ones_own(tmp_path: Path, path: str) -> None:
    every = Folders({}, *(tmp_path / kind for kind in OWN_FOLDERS))
    engine = Engine(REGISTRY, every, ModelStore("cpu"))
    nodes = {
        "1": NodeDocument(class_type="VHS_LoadVideoPath", inputs={"video": path}),
        "2": NodeDocument(class_type="PreviewAny", inputs={"source": ["1", 1]}),
    }

    def counted(space: str, frames: int | None) -> str:
        folder = tmp_path / "input" / space
        folder.mkdir(parents=True, exist_ok=True)
        if frames is not None:
            Film(frames=frames).write(folder / "film.mp4")
        (text,) = engine.run(Workflow(nodes=nodes), folders=every.of(space)).outputs["2"].shown["text"]
        return str(text)

    assert counted("key_ann", 4) == "4"
    assert counted("key_ann", 7) == "7"
    assert counted("key_ben", 9) == "9"
    assert counted("key_ann", None) == "7"


def test_files_of_a_preset_are_in_the_key(tmp_path: Path) -> None:
    folders = Folders({kind: (tmp_path / kind,) for kind in ("ipadapter", "clip_vision")})
    spec = REGISTRY["IPAdapterUnifiedLoader"]
    ctx = Context(folders, ModelStore("cpu"))
    assert spec.fingerprint is not None
    seen = []
    for name in (
        "ipadapter/ip-adapter_sd15.bin",
        "ipadapter/ip-adapter_sdxl_vit-h.bin",
        "ipadapter/ip-adapter_sd15.bin",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"contents {len(seen)}")
        seen.append(spec.fingerprint(ctx, preset="STANDARD (medium strength)"))
    assert len(seen[0]) == 1 and len(seen[1]) == 2
    assert seen[2] != seen[1]
    assert spec.fingerprint(ctx, preset="PLUS (high strength)") == []
