"""Model folders: kinds and aliases, extra paths, and names that never leave their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import DagfusionError, ModelMissing
from engine.folders import Folders, annotated, contained, model_folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("checkpoints/sub/a.safetensors", "clip/l.safetensors", "text_encoders/g.safetensors",
                 "unet/u.safetensors", "checkpoints/notes.txt", "loras/.hidden.safetensors"):  # fmt: skip
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "models"


def test_a_comfyui_models_folder_is_taken_as_it_is(root: Path) -> None:
    folders = Folders(models=model_folders([root]))
    assert folders.files("checkpoints") == ["sub/a.safetensors"]
    assert folders.files("text_encoders") == folders.files("clip") == ["g.safetensors", "l.safetensors"]
    assert folders.find("diffusion_models", "u.safetensors") == root / "unet" / "u.safetensors"
    assert folders.files("loras") == []


def test_a_folder_that_is_made_later_is_seen(root: Path) -> None:
    folders = Folders(models=model_folders([root]))
    for name in ("vae", "t2i_adapter"):
        (root / name).mkdir()
        (root / name / "new.safetensors").write_bytes(b"x")
    assert folders.files("vae") == folders.files("controlnet") == ["new.safetensors"]
    assert folders.find("controlnet", "new.safetensors") == root / "t2i_adapter" / "new.safetensors"


def test_a_missing_model_names_the_nearest(root: Path) -> None:
    with pytest.raises(ModelMissing, match=r"sub/a\.safetensors"):
        Folders(models=model_folders([root])).find("checkpoints", "sub/a.safetensor")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "sub/../../a", "\\a", "", "a\0b", "C:/a", "sub/..\\..\\a"])
def test_a_name_never_leaves_its_folder(root: Path, name: str) -> None:
    assert contained(root / "checkpoints", name) is None
    with pytest.raises(ModelMissing):
        Folders(models=model_folders([root])).find("checkpoints", name)


def test_extra_model_paths_adds_folders_and_is_default_puts_them_first(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for folder in ("sd", "more", "lora"):
        (other / folder).mkdir(parents=True)
        (other / folder / f"{folder}.safetensors").write_bytes(b"x")
    (tmp_path / "extra.yaml").write_text(
        f"a111:\n  base_path: {other}\n  is_default: true\n  checkpoints: |\n    sd\n    more\n  loras: lora\n"
    )
    found = model_folders([root], [tmp_path / "extra.yaml"])
    assert found["checkpoints"] == [other / "sd", other / "more", root / "checkpoints"]
    assert Folders(models=found).files("loras") == ["lora.safetensors"]


def test_broken_yaml_and_a_missing_root_are_one_clear_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(DagfusionError, match=r"bad\.yaml"):
        model_folders([root], [tmp_path / "bad.yaml"])
    with pytest.raises(DagfusionError, match="does not exist"):
        model_folders([tmp_path / "nowhere"])


def test_annotated_input_names_pick_the_folder(tmp_path: Path) -> None:
    folders = Folders(input=tmp_path / "i", output=tmp_path / "o", temp=tmp_path / "t")
    for kind in ("i", "o", "t"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "p.png").write_bytes(b"x")
    assert folders.find_input("p.png") == tmp_path / "i" / "p.png"
    assert folders.find_input("p.png [output]") == tmp_path / "o" / "p.png"
    with pytest.raises(ModelMissing):
        folders.find_input("../o/p.png")


@pytest.mark.parametrize("name", ["x" * 5000, "/".join(["x" * 200] * 50), "\udcff.png"])
def test_a_name_that_no_file_can_have_is_a_missing_file(root: Path, name: str) -> None:
    folders = Folders(models=model_folders([root]), input=root)
    with pytest.raises(ModelMissing):
        folders.find("checkpoints", name)
    with pytest.raises(ModelMissing):
        folders.find_input(name)


def test_a_missing_file_is_told_with_the_one_that_may_be_meant_or_the_place_for_it(tmp_path: Path) -> None:
    mine, shipped = tmp_path / "models", tmp_path / "shipped"
    for file in (mine / "checkpoints" / "xl" / "photo.safetensors", shipped / "checkpoints" / "tiny.safetensors"):
        file.parent.mkdir(parents=True)
        file.write_text("a")
    (shipped / "loras").mkdir()
    folders = Folders(models=model_folders([mine, shipped]), shipped=[shipped])

    def remedy(kind: str, name: str) -> str:
        with pytest.raises(ModelMissing) as caught:
            folders.find(kind, name)
        return caught.value.remedy

    assert remedy("checkpoints", "photo.safetensors") == "did you mean 'xl/photo.safetensors'?"
    assert remedy("checkpoints", "XL\\fotos.ckpt") == "did you mean 'xl/photo.safetensors'?"
    # Only the suffix is alike, which says nothing.
    assert remedy("checkpoints", "animagine.safetensors") == f"put it into {mine / 'checkpoints'}"
    assert remedy("loras", "style.safetensors").startswith("put it into 'loras' in your models folder")
    assert remedy("checkpoints", "..").startswith("put it into")
    with pytest.raises(ModelMissing) as caught:
        Folders(input=tmp_path / "input").find_input("cat.png")
    assert "--input" in caught.value.remedy


def test_extra_paths_that_are_not_there_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(DagfusionError, match=r"nowhere\.yaml' cannot be read: No such file"):
        model_folders([], [tmp_path / "nowhere.yaml"])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.png [output]", ("a.png", "output")),
        ("a.png", ("a.png", "")),
        ("a.png [elsewhere]", ("a.png [elsewhere]", "")),
        ("a.png [temp] [input]", ("a.png [temp]", "input")),  # the last one says where
    ],
)
def test_a_folder_may_be_noted_behind_a_files_name(name: str, parts: tuple[str, str]) -> None:
    assert annotated(name) == parts
