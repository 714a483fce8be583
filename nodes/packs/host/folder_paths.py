"""``folder_paths``: where the files are. Lists of files remember their kind, so that choices stay those of now."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from engine.errors import ModelMissing
from engine.folders import KINDS, MODEL_SUFFIXES, OWN_FOLDERS, annotated
from engine.output_names import expand_prefix
from nodes.packs import running
from nodes.packs.file_lists import FileList

supported_pt_extensions = set(MODEL_SUFFIXES)
_added: dict[str, list[str]] = {}
_suffixes: dict[str, set[str]] = {}


class _Kinds(MutableMapping[str, Any]):
    """Folders and suffixes by kind; packs put in kinds of their own."""

    def __getitem__(self, kind: str) -> tuple[list[str], set[str]]:
        places = get_folder_paths(kind)
        if not places and kind not in KINDS and kind not in _added and kind != "custom_nodes":
            raise KeyError(kind)
        return places, _suffixes.get(kind, supported_pt_extensions)

    def __setitem__(self, kind: str, value: Any) -> None:
        places, suffixes = value
        _added.setdefault(kind, [])
        for place in [places] if isinstance(places, str) else places:
            add_model_folder_path(kind, place)
        _suffixes[kind] = suffixes

    def __delitem__(self, kind: str) -> None:
        _added.pop(kind, None)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*KINDS, *running.folders().models, *_added]))

    def __len__(self) -> int:
        return len(list(iter(self)))


folder_names_and_paths = _Kinds()
filename_list_cache: dict[str, Any] = {}


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    """Look for files of that kind there too."""
    places = _added.setdefault(folder_name, [])
    if str(full_folder_path) not in places:
        places.insert(0 if is_default else len(places), str(full_folder_path))


def get_folder_paths(folder_name: str) -> list[str]:
    """The folders of a kind."""
    if folder_name == "custom_nodes":
        return running.pack_folders()
    known = [str(place) for place in running.folders().of_kind(folder_name)]
    return [*known, *(place for place in _added.get(folder_name, ()) if place not in known)]


def get_filename_list(folder_name: str) -> FileList:
    """The files of a kind."""
    suffixes = _suffixes.get(folder_name, supported_pt_extensions)
    added = (_walked(Path(place), suffixes) for place in _added.get(folder_name, ()))
    names = {*running.folders().files(folder_name), *(name for names in added for name in names)}
    return FileList(sorted(names), folder_name)


def _walked(place: Path, suffixes: set[str]) -> list[str]:
    return [
        Path(where, name).relative_to(place).as_posix()
        for where, _, names in os.walk(place)
        for name in names
        if not suffixes or Path(name).suffix in suffixes
    ]


def get_full_path(folder_name: str, filename: str) -> str | None:
    """Where the file is; ``None`` where there is none."""
    try:
        return str(running.folders().find(folder_name, filename))
    except ModelMissing:
        found = (Path(place, filename) for place in _added.get(folder_name, ()))
        return next((str(path) for path in found if path.is_file()), None)


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    """Where the file is. Raises ``FileNotFoundError``."""
    path = get_full_path(folder_name, filename)
    if path is None:
        raise FileNotFoundError(f"model file '{filename}' is not among the {folder_name}")
    return path


def _own(kind: str) -> str:
    folder: Path = getattr(running.folders(), kind)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder.resolve())


def get_output_directory() -> str:
    """The run's output folder."""
    return _own("output")


def get_temp_directory() -> str:
    """The run's folder for temporary files."""
    return _own("temp")


def get_input_directory() -> str:
    """The run's input folder."""
    return _own("input")


def get_user_directory() -> str:
    """A folder for settings of users."""
    folder = Path(_own("temp"), "user")
    folder.mkdir(exist_ok=True)
    return str(folder)


def get_directory_by_type(type_name: str) -> str | None:
    """The folder of that name."""
    return _own(type_name) if type_name in OWN_FOLDERS else None


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """A file's name, and the folder that is noted behind it."""
    plain, kind = annotated(name)
    return plain, get_directory_by_type(kind) if kind else None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    """Where an input file is; ``name [output]`` and ``name [temp]`` mean the other folders."""
    if default_dir is not None and not annotated(name)[1]:
        return os.path.join(default_dir, name)
    try:
        return str(running.folders().find_input(name))
    except ModelMissing:
        plain, folder = annotated_filepath(name)
        return os.path.join(folder or get_input_directory(), plain)


def exists_annotated_filepath(name: str) -> bool:
    """Whether that file is there."""
    try:
        running.folders().find_input(name)
    except ModelMissing:
        return False
    return True


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """The folder, the name's beginning, the next number, the subfolder, and the prefix, for files to be written."""
    prefix = expand_prefix(filename_prefix, width_px=image_width, height_px=image_height, prompt={})
    subfolder, name = os.path.split(os.path.normpath(prefix))
    folder = Path(output_dir, subfolder)
    if not folder.resolve().is_relative_to(Path(output_dir).resolve()):
        raise ValueError("filename_prefix leads out of the output folder")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder), name, _next_number(folder, name), subfolder, filename_prefix


def _next_number(folder: Path, name: str) -> int:
    numbers = [0]
    for file in folder.iterdir():
        head, _, tail = file.name.rpartition(f"{name}_")
        digits = tail.partition("_")[0].partition(".")[0]
        if not head and digits.isdigit():
            numbers.append(int(digits))
    return max(numbers) + 1


def filter_files_content_types(files: list[str], content_types: list[str]) -> list[str]:
    """Those of the files whose names say that they are ``image``, ``video``, ``audio`` ..."""
    return [name for name in files if (mimetypes.guess_type(name)[0] or "").partition("/")[0] in content_types]


def filter_files_extensions(files: list[str], extensions: list[str]) -> list[str]:
    """Those of the files with one of the suffixes, sorted."""
    return sorted(name for name in files if not extensions or os.path.splitext(name)[1].lower() in extensions)


def recursive_search(directory: str, excluded_dir_names: Any = None) -> tuple[list[str], dict[str, float]]:
    """All files below a folder, and when the folders changed."""
    root, skipped = Path(directory), set(excluded_dir_names or ())
    files, changed = [], {}
    for where, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if name not in skipped]
        changed[where] = os.path.getmtime(where)
        files += [Path(where, name).relative_to(root).as_posix() for name in names]
    return files, changed


def __getattr__(name: str) -> Any:
    if name == "models_dir":
        places = [place for places in running.folders().models.values() for place in places]
        return str(places[0].parent) if places else str(Path(_own("temp"), "models"))
    if name == "base_path":
        return str(Path(_own("input")).parent)
    if name in ("output_directory", "temp_directory", "input_directory"):
        return _own(name.partition("_")[0])
    if name == "user_directory":
        return get_user_directory()
    return None
