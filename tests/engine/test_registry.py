"""Users add nodes of their own from folders and installed packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import DagfusionError
from engine.registry import Registry

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


def test_a_file_that_fails_to_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere")
    with pytest.raises(DagfusionError, match=r"broken\.py.*no_such_module_anywhere"):
        Registry().add_folder(tmp_path)


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
