"""Files of runs: their names, what is in them, and that no run gets another one's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoded import EncodedFile, Series, all_there
from engine.errors import InputInvalid
from engine.folders import Folders
from engine.output_names import expand_prefix
from engine.publishing import Publication, PublishedFiles
from engine.request import Request
from engine.types import SavedFile
from engine.workflow import NodeDocument, Workflow

NOON = time.strptime("2025-03-07 12:04:09", "%Y-%m-%d %H:%M:%S")
PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 42, "model": ["4", 0]}, "_meta": {"title": "My Sampler"}},
    "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd/base.safetensors"}},
}


def expand(prefix: str) -> str:
    return expand_prefix(prefix, width_px=640, height_px=480, prompt=PROMPT, now=NOON)


def write(path: Path) -> None:
    path.write_bytes(b"x")


def request(**texts: object) -> Request:
    return Request(Workflow(nodes={"1": NodeDocument(class_type="Show")}, extra_pnginfo=texts))


def with_texts(source: Path, target: Path, texts: Mapping[str, str]) -> None:
    target.write_text(f"{source.read_text()} {texts['who']}")


class Saver:
    """A run that saves into a folder."""

    def __init__(self, root: Path, prefix: str, folder: str = "output", named: PublishedFiles | None = None) -> None:
        self.folders = Folders(output=root, temp=root)
        self.series = Series("temp" if folder == "temp" else "output", prefix)
        self.publication = Publication(named or PublishedFiles(), self.folders, request(who="me"))

    def publish(self, made: EncodedFile) -> SavedFile:
        (saved,) = self.publication.of({"images": (made,)})["images"]
        assert isinstance(saved, SavedFile)
        return saved

    def save(self, suffix: str = ".png", write: Callable[[Path], object] = write) -> SavedFile:
        return self.publish(self.series.save(suffix, "image/png", write))


@pytest.mark.parametrize(
    ("prefix", "expanded"),
    [
        ("plain", "plain"),
        ("%width%x%height%", "640x480"),
        ("%year%-%month%-%day% %hour%.%minute%.%second%", "2025-03-07 12.04.09"),
        ("%date:yyyy-MM-dd%", "2025-03-07"),
        ("%date:yy.M.d hh_mm_ss%", "25.3.7 12_04_09"),
        ("%My Sampler.seed%", "42"),
        ("%KSampler.seed%", "42"),
        ("%CheckpointLoaderSimple.ckpt_name%", "sd_base.safetensors"),
        ("%KSampler.model% %KSampler.cfg% %unknown%", "%KSampler.model% %KSampler.cfg% %unknown%"),
        ("100% %width%", "100% 640"),
        ("%%width%%", "%640%"),
        ("50%", "50%"),
        ("%batch_num%", "%batch_num%"),
    ],
)
def test_variables_are_replaced_and_what_is_unknown_stays(prefix: str, expanded: str) -> None:
    assert expand(prefix) == expanded


@settings(deadline=None)
@given(st.text())
def test_text_without_percent_signs_is_unchanged(text: str) -> None:
    prefix = text.replace("%", "")
    assert expand(prefix) == prefix


def test_counter_goes_on_from_the_highest_number(tmp_path: Path) -> None:
    for name in ("a_00003_.png", "a_00010_.webp", "a_b_00077_.png", "aa_00099_.png", "a_x_.png", "a_00050.png"):
        (tmp_path / name).touch()
    saved = Saver(tmp_path, "a").save()
    assert saved.as_wire() == {"filename": "a_00011_.png", "subfolder": "", "type": "output"}


def test_subfolders_are_made(tmp_path: Path) -> None:
    saver = Saver(tmp_path, "x/y\\z/name")
    first, second = saver.save(), saver.save()
    assert (first.filename, second.filename) == ("name_00001_.png", "name_00002_.png")
    assert (first.subfolder, first.folder) == ("x/y/z", "output")
    assert sorted(os.listdir(tmp_path / "x/y/z")) == ["name_00001_.png", "name_00002_.png"]


def test_batch_number_counts_from_zero_and_never_overwrites(tmp_path: Path) -> None:
    for expected in (["b0_00001_.png", "b1_00002_.png"], ["b0_00003_.png", "b1_00004_.png"]):
        saver = Saver(tmp_path, "b%batch_num%")
        assert [saver.save().filename for _ in range(2)] == expected


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/etc/x", "..", "C:/x", "\\x", "a\0b"])
def test_prefix_that_leaves_the_folder_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(InputInvalid, match="leaves the output folder"):
        Saver(tmp_path / "out", prefix).save()
    assert not list(tmp_path.iterdir())


def test_symbolic_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputInvalid, match="leaves the output folder"):
        Saver(tmp_path / "out", "link/new/x").save()
    assert not list((tmp_path / "elsewhere").iterdir())


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_prefix_stays_inside_or_is_refused(tmp_path_factory: pytest.TempPathFactory, prefix: str) -> None:
    root = tmp_path_factory.mktemp("out")
    try:
        saved = Saver(root, prefix).save()
    except InputInvalid:
        return
    path = root / saved.subfolder / saved.filename
    assert path.resolve().is_relative_to(root.resolve())
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(("prefix", "name"), [("", "ComfyUI_00001_.png"), (".", "ComfyUI_00001_.png")])
def test_empty_prefix_gets_a_name(tmp_path: Path, prefix: str, name: str) -> None:
    assert Saver(tmp_path, prefix).save().filename == name


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("encoder")

    with pytest.raises(ValueError, match="encoder"):
        Saver(tmp_path, "a").save(write=fail)
    assert not list(tmp_path.iterdir())


def test_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="cannot be written") as caught:
        Saver(tmp_path, "n" * 300).save()
    assert caught.value.input == "filename_prefix"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_two_runs_at_once_never_take_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    savers = [Saver(tmp_path, "a") for _ in range(4)]

    def run(number: int) -> None:
        for _ in range(10):
            savers[number].save(".bin", lambda path: path.write_text(str(number)))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 40
    assert all(re.fullmatch(r"a_\d{5}_\.bin", name) for name in names)
    contents = [(tmp_path / name).read_text() for name in names]
    assert {n: contents.count(str(n)) for n in range(4)} == {0: 10, 1: 10, 2: 10, 3: 10}


def test_temp_files_get_names_of_their_run(tmp_path: Path) -> None:
    saver = Saver(tmp_path, "", folder="temp")
    first, second = saver.save().filename, saver.save().filename
    assert re.fullmatch(r"ComfyUI_temp_[0-9a-f]{6}_00001_\.png", first)
    assert second == first.replace("00001", "00002")


def test_each_run_gets_its_own_texts_from_one_encoding(tmp_path: Path) -> None:
    made = Series("output", "a").save(".txt", "text/plain", write, with_texts)
    folders, named = Folders(output=tmp_path), PublishedFiles()
    shown = {"files": (made,)}
    for who in ("ann", "ben", "ann"):
        (saved,) = Publication(named, folders, request(who=who)).of(shown)["files"]
        assert folders.path_of(saved).read_text() == f'x "{who}"'
    assert sorted(os.listdir(tmp_path)) == ["a_00001_.txt", "a_00002_.txt"]
    assert made.path.read_text() == "x"


def test_a_named_file_is_believed_only_while_it_is_what_it_was(tmp_path: Path) -> None:
    made, named = Series("output", "a").save(".png", "image/png", write), PublishedFiles()

    def again() -> SavedFile:
        saver = Saver(tmp_path, "a", named=named)
        saved = saver.publish(made)
        assert saver.folders.path_of(saved).read_bytes() == b"x"
        return saved

    first = again()
    assert again() == first
    (tmp_path / first.filename).unlink()
    assert again() == first
    (tmp_path / first.filename).write_bytes(b"y")
    assert again().filename == "a_00002_.png"
    assert (tmp_path / first.filename).read_bytes() == b"y"
    (tmp_path / "a_00002_.png").unlink()
    (tmp_path / "a_00002_.png").mkdir()
    assert again().filename == "a_00003_.png"


def test_a_file_is_stored_before_it_is_named(tmp_path: Path) -> None:
    class Full:
        def put_file(self, path: Path) -> object:
            raise OSError(28, "No space left on device")

    with pytest.raises(InputInvalid, match="No space left") as caught:
        Saver(tmp_path, "a", named=PublishedFiles(Full())).save()
    assert str(tmp_path) not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_pictures_of_a_batch_that_are_equal_are_files_of_their_own(tmp_path: Path) -> None:
    saver = Saver(tmp_path, "a")
    assert saver.save().filename != saver.save().filename


def test_encodings_go_when_nobody_has_them(tmp_path: Path) -> None:
    made = Series("output", "a").save(".png", "image/png", write)
    path = made.path
    assert all_there({"images": (made,), "text": ("a",)})
    del made
    assert not path.exists()
    lost = Series("output", "a").save(".png", "image/png", write)
    lost.path.unlink()
    assert not all_there({"images": (lost,)})


def test_a_killed_process_leaves_nothing_for_long() -> None:
    command = "from engine.scratch import scratch_file as f; p = f('.png'); p.touch(); print(p, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", command], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        run_other = [sys.executable, "-c", "from engine.scratch import scratch_file as f; f('.png')"]
        subprocess.run(run_other, check=True)
        assert left.exists()
        process.kill()
        process.wait()
    assert left.exists()
    subprocess.run(run_other, check=True)
    assert not left.parent.exists()
