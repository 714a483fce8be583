"""Users add nodes of their own from folders and installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.errors import DagfusionError
from engine.registry import Registry
from engine.sources import code_of

NODE_FILE = '''
from engine.inputs import Anything
from engine.registry import node

@node("{name}", category="mine")
def mine(ctx, *, value: Anything) -> Anything:
    """Hand the value on."""
    return value
'''


def test_a_folder_of_files_and_packages_is_added(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(NODE_FILE.format(name="One"))
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text(NODE_FILE.format(name="Two"))
    (tmp_path / "_private.py").write_text("raise RuntimeError")
    registry = Registry()
    assert registry.add_folder(tmp_path) == 2
    assert sorted(registry) == ["One", "Two"]
    assert registry["One"].run(None, value=3) == 3


def test_files_of_one_name_in_two_folders_are_two_pieces_of_code(tmp_path: Path) -> None:
    registry = Registry()
    for name in ("One", "Two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(NODE_FILE.format(name=name))
        registry.add_folder(tmp_path / name)
    one, two = registry["One"].run.__module__, registry["Two"].run.__module__
    assert Path(sys.modules[one].__file__ or "").parent.name == "One"
    assert code_of(one) != code_of(two)
    again = Registry()
    again.add_folder(tmp_path / "Two")
    assert again["Two"].run.__module__ == two


def test_a_file_that_fails_to_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere")
    with pytest.raises(DagfusionError, match=r"broken\.py.*no_such_module_anywhere"):
        Registry().add_folder(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("value", "parameter 'value': it has no type"),
        ("value: bytes", "parameter 'value': <class 'bytes'> has no wire"),
    ],
)
def test_a_node_whose_schema_cannot_be_read_is_named_with_its_file(tmp_path: Path, parameters: str, told: str) -> None:
    (tmp_path / "odd.py").write_text(NODE_FILE.format(name="Odd").replace("value: Anything", parameters))
    with pytest.raises(DagfusionError, match=rf"odd\.py', node class 'Odd': {told}"):
        Registry().add_folder(tmp_path)


@pytest.mark.parametrize("parameters", ["*, value: int", "value: int = 3", "", "**values"])
def test_a_node_that_takes_no_context_is_named_with_its_file(tmp_path: Path, parameters: str) -> None:
    code = NODE_FILE.format(name="Odd").replace("ctx, *, value: Anything", parameters)
    (tmp_path / "odd.py").write_text(code)
    with pytest.raises(DagfusionError, match=r"odd\.py', node class 'Odd': its first parameter must be the context"):
        Registry().add_folder(tmp_path)


def test_a_package_may_declare_its_nodes_in_modules_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "__init__.py").write_text("from .parts import mine\nfrom engine.types import Image")
    (tmp_path / "many" / "parts.py").write_text(NODE_FILE.format(name="Inside"))
    registry = Registry()
    assert registry.add_folder(tmp_path) == 1
    assert registry["Inside"].run(None, value=3) == 3


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with an entry point that names the module ``installed_nodes``, as a package manager leaves it."""
    (tmp_path / "installed_nodes-1.0.dist-info").mkdir()
    (tmp_path / "installed_nodes-1.0.dist-info" / "METADATA").write_text("Name: installed-nodes\nVersion: 1.0\n")
    entry = "[dagfusion.nodes]\nmine = installed_nodes\n"
    (tmp_path / "installed_nodes-1.0.dist-info" / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "installed_nodes", raising=False)
    return tmp_path / "installed_nodes.py"


def test_installed_packages_bring_their_nodes(installed: Path) -> None:
    installed.write_text(NODE_FILE.format(name="Installed"))
    registry = Registry()
    assert registry.add_entry_points() == 1
    assert registry.origin("Installed") == "installed_nodes"


def test_an_installed_package_that_fails_to_import_is_named(installed: Path) -> None:
    installed.write_text("1 / 0")
    with pytest.raises(DagfusionError, match=r"node package 'mine' \(installed_nodes\).*ZeroDivisionError"):
        Registry().add_entry_points()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DagfusionError, match="is not a folder"):
        Registry().add_folder(tmp_path / "nowhere")


def test_a_users_node_replaces_a_built_in_of_the_same_name(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(NODE_FILE.format(name="Same"))
    registry = Registry()
    registry.add_folder(tmp_path / "first")
    before = registry["Same"]
    registry.add_folder(tmp_path / "second")
    assert registry["Same"] is not before
