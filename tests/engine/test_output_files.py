"""Names of output files: counters, variables, staying inside the folder, appearing all at once."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputInvalid
from engine.output_files import expand_prefix, start_series

NOON = time.strptime("2025-03-07 12:04:09", "%Y-%m-%d %H:%M:%S")
PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 42, "model": ["4", 0]}, "_meta": {"title": "My Sampler"}},
    "5": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd/base.safetensors"}},
}


def expand(prefix: str) -> str:
    return expand_prefix(prefix, width_px=640, height_px=480, prompt=PROMPT, now=NOON)


def write(path: Path) -> None:
    path.write_bytes(b"x")


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
    saved = start_series(tmp_path, "a").save(".png", "image/png", write)
    assert saved.as_wire() == {"filename": "a_00011_.png", "subfolder": "", "type": "output"}


def test_subfolders_are_made(tmp_path: Path) -> None:
    series = start_series(tmp_path, "x/y\\z/name", folder="temp")
    first, second = (series.save(".png", "image/png", write) for _ in range(2))
    assert (first.filename, second.filename) == ("name_00001_.png", "name_00002_.png")
    assert (first.subfolder, first.folder) == ("x/y/z", "temp")
    assert sorted(os.listdir(tmp_path / "x/y/z")) == ["name_00001_.png", "name_00002_.png"]


def test_batch_number_counts_from_zero_and_never_overwrites(tmp_path: Path) -> None:
    for expected in (["b0_00001_.png", "b1_00002_.png"], ["b0_00003_.png", "b1_00004_.png"]):
        series = start_series(tmp_path, "b%batch_num%")
        assert [series.save(".png", "image/png", write).filename for _ in range(2)] == expected


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/etc/x", "..", "C:/x", "\\x", "a\0b"])
def test_prefix_that_leaves_the_folder_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(InputInvalid, match="leaves the output folder"):
        start_series(tmp_path / "out", prefix)
    assert not list(tmp_path.iterdir())


def test_symbolic_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputInvalid, match="leaves the output folder"):
        start_series(tmp_path / "out", "link/new/x")
    assert not list((tmp_path / "elsewhere").iterdir())


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_prefix_stays_inside_or_is_refused(tmp_path_factory: pytest.TempPathFactory, prefix: str) -> None:
    root = tmp_path_factory.mktemp("out")
    try:
        saved = start_series(root, prefix).save(".png", "image/png", write)
    except InputInvalid:
        return
    path = root / saved.subfolder / saved.filename
    assert path.resolve().is_relative_to(root.resolve())
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize(("prefix", "name"), [("", "ComfyUI_00001_.png"), (".", "ComfyUI_00001_.png")])
def test_empty_prefix_gets_a_name(tmp_path: Path, prefix: str, name: str) -> None:
    assert start_series(tmp_path, prefix).save(".png", "image/png", write).filename == name


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("encoder")

    with pytest.raises(ValueError, match="encoder"):
        start_series(tmp_path, "a").save(".png", "image/png", fail)
    assert not list(tmp_path.iterdir())


def test_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputInvalid, match="cannot be written") as caught:
        start_series(tmp_path, "n" * 300).save(".png", "image/png", write)
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
    series = [start_series(tmp_path, "a") for _ in range(4)]

    def run(number: int) -> None:
        for _ in range(10):
            series[number].save(".bin", "application/octet-stream", lambda path: path.write_text(str(number)))

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
