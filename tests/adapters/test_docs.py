"""The documents are true: what they show runs, what they link to is there, and nothing that can be set is left out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from adapters.doors.http.app import create_app
from adapters.doors.modal.settings import ModalSettings
from adapters.doors.ray.settings import RaySettings
from adapters.doors.runpod.settings import RunpodSettings
from adapters.host.settings import Settings
from benchmarks.registry import names
from engine.document import read_document
from engine.engine import Engine
from engine.folders import Folders
from engine.model_store import ModelStore
from engine.overrides import set_inputs
from engine.workflow import Workflow
from nodes import builtin_registry
from nodes.families.found import families
from tests.adapters.conftest import Dagfusion

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md"), ROOT / "models/tiny/README.md"]
)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
OWN_NODES: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0xFF0000}},
    "2": {"class_type": "ToneTwice", "inputs": {"image": ["1", 0], "enabled": True}},
    "3": {"class_type": "EitherPicture", "inputs": {"small": True, "preview": ["2", 0], "full": ["1", 0]}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "tone"}},
    "5": {"class_type": "ReadRecipe", "inputs": {"file": "recipe.txt", "repeat": 3}},
    "6": {"class_type": "RecipeLines", "inputs": {"recipe": ["5", 0]}},
    "7": {"class_type": "SaveLines", "inputs": {"line": ["6", 0], "filename_prefix": "lines"}},
}


def missing(names: list[str]) -> list[str]:
    """Those that no document says, as a word of their own."""
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", ALL)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", TEXTS[page]):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_setting_is_told() -> None:
    names = [
        str(field.validation_alias or f"DAGFUSION_{name.upper()}")
        for name, field in RunpodSettings.model_fields.items()
    ]
    assert missing([name for name in names if name != "RUNPOD_WEBHOOK_GET_JOB"]) == []  # RunPod sets that one itself
    modal, ray = TEXTS[ROOT / "docs" / "modal.md"], TEXTS[ROOT / "docs" / "ray.md"]
    assert [
        name for name in ModalSettings.model_fields if not re.search(rf"`(DAGFUSION_MODAL_)?{name.upper()}[`=]", modal)
    ] == []
    assert [name for name in RaySettings.model_fields if f"`{name}`" not in ray] == []


def test_settings_that_are_told_are_there() -> None:
    known = {f"DAGFUSION_{name.upper()}" for name in RunpodSettings.model_fields}
    known |= {f"DAGFUSION_MODAL_{name.upper()}" for name in ModalSettings.model_fields}
    told = set(re.findall(r"DAGFUSION_[A-Z][A-Z_]*[A-Z]", ALL)) - {"DAGFUSION_MODAL", "DAGFUSION_RAY"}
    assert told - known == set()


def test_the_first_page_names_every_family_that_runs() -> None:
    page = TEXTS[ROOT / "README.md"].replace("\n", " ")
    told = {"sd": "Stable Diffusion 1.x, 2.x", "sdxl": "and XL", "sd3": "Stable Diffusion 3"}
    assert [name for name, family in families().items() if told.get(name, family.title) not in page] == []


def test_every_extra_is_told() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert missing(sorted(extras)) == []


def test_every_command_is_told(dagfusion: Dagfusion) -> None:
    pages = ALL.replace("\n", " ")

    def commands(*path: str) -> list[str]:
        listed = dagfusion(*path, "--help").stdout.partition("Commands:\n")[2]
        return re.findall(r"^  (\w+)  ", listed, re.MULTILINE)

    found: list[tuple[str, ...]] = [(name,) for name in commands()]
    found += [(group, name) for group in ("models", "jobs", "keys", "bench") for name in commands(group)]
    assert len(found) > 20
    found.remove(("bench", "run"))  # it is what `dagfusion bench CASE` means
    assert [path for path in found if not re.search(rf"(dagfusion )?{' '.join(path)}\b", pages)] == []


def test_every_benchmark_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", TEXTS[ROOT / "docs" / "benchmarks.md"], re.MULTILINE)
    assert sorted(rows) == sorted(names())


def test_every_route_of_the_native_api_is_told() -> None:
    document = create_app(Settings()).openapi()
    api = TEXTS[ROOT / "docs" / "api.md"]
    told = {re.sub(r"\{[^}]*\}", "{}", path) for path in re.findall(r"(/[a-z][\w{}./-]*)", api)}
    assert {re.sub(r"\{[^}]*\}", "{}", path) for path in document["paths"]} - told == set()


def test_the_nodes_that_are_shown_work(tmp_path: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", TEXTS[ROOT / "docs" / "nodes.md"], re.DOTALL):
        name = re.match(r'"""(\w+/\w+\.py)"""', code)
        assert name is not None
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(code)
    registry = builtin_registry()
    assert registry.add_folder(tmp_path / "my_nodes") == 6
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "recipe.txt").write_text("flour\nwater\n")
    folders = Folders(input=tmp_path / "input", output=tmp_path / "output", temp=tmp_path / "temp")
    engine = Engine(registry, folders, ModelStore("cpu"))

    def changed(**inputs: Any) -> Workflow:
        return set_inputs(read_document(OWN_NODES, registry).workflow, inputs, registry)

    result = engine.run(changed())
    assert result.outputs["7"].shown["text"] == ("6 lines of node 7",)
    assert (tmp_path / "output" / "lines_00001_.txt").read_text() == "flour\nwater\n" * 2 + "flour\nwater"
    assert (tmp_path / "output" / "tone_00001_.png").is_file()
    assert engine.run(changed(**{"ToneTwice.enabled": False})).outputs["4"].blocked == "toning is switched off"
    assert [problem.message for problem in engine.check(changed(**{"5.repeat": 2}))] == ["repeat must be odd"]


def test_every_promise_has_its_tests() -> None:
    page = ROOT / "docs" / "promises.md"
    rows = re.findall(r'^\| "(.+?)" \| \[[^\]]+\]\([^)]+\) \| (.+) \|$', TEXTS[page], re.MULTILINE)
    assert len(rows) == len(re.findall(r'^\| "', TEXTS[page], re.MULTILINE)) > 40
    for words, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named and tests.count("`") == 2 * len(named), words
        for file, name in named:
            source = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{file} has no {name}"
