"""Where files are: model folders by kind, and the input, output and temp folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import DagfusionError, ModelMissing
from engine.suggest import nearest_file
from engine.types import SavedFile

# Folder names that ComfyUI's users have, by kind; the first is where new files would go.
KINDS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "ipadapter": ("ipadapter",),
    "latent_upscale_models": ("latent_upscale_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
    "annotators": ("annotators",),
}
OWN_FOLDERS = ("input", "output", "temp")  # the run's, beside those of models
_ALIASES = {alias: kind for kind, names in KINDS.items() for alias in names}
_EXTRA_PATHS = "it has the form of ComfyUI: names, and under each base_path and folders by kind"
_EXTRA_PATHS_NAMES = ("extra_model_paths.yaml", "extra_model_paths.yml")
MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".bin", ".pth", ".pkl", ".gguf", ".yaml")


@dataclass(frozen=True)
class Folders:
    """Model folders (searched in order) and the run's own folders.

    ``models`` maps a kind to folders; build it with :func:`model_folders`. Names of files are relative to a folder,
    with forward slashes, and never leave it. ``shipped``: models folders that come with the program, where nobody is
    to put files of their own. ``shared``: an input folder that everybody reads and no run writes, looked at after
    one's own. ``space``: whose folders these are, see :meth:`of`; empty where they are everybody's. ``assumed``: a file
    that is not there counts as there, so that a workflow can be checked on a machine without its models.
    """

    models: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    input: Path = Path("input")
    output: Path = Path("output")
    temp: Path = Path("temp")
    shipped: Sequence[Path] = ()
    shared: Path | None = None
    space: str = ""
    assumed: bool = False

    def of(self, space: str) -> Folders:
        """The folders of one tenant: subfolders of these, with the same models. An empty name means these."""
        if not space:
            return self
        own = {kind: getattr(self, kind) / space for kind in OWN_FOLDERS}
        return replace(self, **own, space=space)

    def places(self, kind: str) -> Sequence[Path]:
        """Where files of ``input``, ``output`` or ``temp`` are looked for, in order."""
        own: Path = getattr(self, kind)
        return (own,) if kind != "input" or self.shared is None else (own, self.shared)

    def of_kind(self, kind: str) -> Sequence[Path]:
        """The folders of a kind (``clip`` and ``unet`` are known as aliases); may be empty."""
        return tuple(self.models.get(_ALIASES.get(kind, kind), ()))

    def files(self, kind: str) -> list[str]:
        """Names of all files of a kind, sorted, each once: a model folder's or ``input``/``output``."""
        own = kind in OWN_FOLDERS
        folders, suffixes = (self.places(kind), None) if own else (self.of_kind(kind), MODEL_SUFFIXES)
        return sorted({name for folder in folders for name in _walk(folder, suffixes)})

    def found(self, kind: str, name: str) -> Path | None:
        """A model file's path, ``None`` where there is none: without a look at what else is there."""
        paths = (contained(folder, name) for folder in self.of_kind(kind))
        return next((path for path in paths if path is not None and _is_file(path)), None)

    def is_shipped(self, path: Path) -> bool:
        """Whether a model file comes with the program."""
        return any(path.is_relative_to(root) for root in self.shipped)

    def find(self, kind: str, name: str) -> Path:
        """The file's path. Raises ``ModelMissing`` with the nearest names where there is none."""
        path = self.found(kind, name)
        if path is not None:
            return path
        near = nearest_file(name, self.files(kind))
        remedy = f"did you mean {near}?" if near else self._place_for(kind)
        raise ModelMissing(f"model file '{name}' is not among the {kind}", remedy=remedy)

    def find_input(self, name: str) -> Path:
        """A file in the input folder; ``name [output]`` and ``name [temp]`` mean the other folders, as in ComfyUI."""
        name, kind = annotated(name)
        kind = kind or "input"
        for folder in self.places(kind):
            path = contained(folder, name)
            if path is not None and _is_file(path):
                return path
        near = nearest_file(name, self.files(kind))
        place = "put it there, send it with the job, or name another folder by --input or DAGFUSION_INPUT"
        message = f"file '{name}' is not in the {kind} folder"
        raise ModelMissing(message, remedy=f"did you mean {near}?" if near else place)

    def _place_for(self, kind: str) -> str:
        own = [f for f in self.of_kind(kind) if f.is_dir() and not self.is_shipped(f)]
        if own:
            return f"put it into {', '.join(map(str, own))}"
        return f"put it into '{kind}' in your models folder, which --models or DAGFUSION_MODELS names"

    def path_of(self, saved: SavedFile) -> Path:
        """Where a file that an output node wrote is."""
        folder: Path = getattr(self, saved.folder)
        return folder / saved.subfolder / saved.filename


def annotated(name: str) -> tuple[str, str]:
    """A file's name and the folder that is noted behind it (``name [output]``); no folder where none is noted."""
    for kind in OWN_FOLDERS:
        if name.endswith(f" [{kind}]"):
            return name.removesuffix(f" [{kind}]"), kind
    return name, ""


_DRIVE = re.compile(r"[A-Za-z]:")


def contained(folder: Path, name: str) -> Path | None:
    """``folder / name`` if that stays inside ``folder`` by name and the name is a sane relative one, else ``None``.

    Symbolic links *inside* a model folder are followed (people link big files into place), so this is about names;
    doors that take names from strangers check the resolved path as well.
    """
    if not name or "\0" in name or name.startswith(("/", "\\")):
        return None
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or (len(parts) > 1 and _DRIVE.fullmatch(parts[0])):
        return None
    return folder.joinpath(*parts)


def _is_file(path: Path) -> bool:
    """False also for names that no file can have, such as one of thousands of characters."""
    try:
        return path.is_file()
    except OSError:
        return False


def model_folders(roots: Iterable[Path], extra_paths_files: Iterable[Path] = ()) -> dict[str, list[Path]]:
    """Folders by kind below each ComfyUI ``models`` folder, then those that ``extra_model_paths.yaml`` files name.

    Such a file counts by itself where it lies in a models folder or, as ComfyUI has it, beside one.
    """
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for root in roots:
        if not root.is_dir():
            raise DagfusionError(f"model folder '{root}' does not exist", remedy="--models takes a 'models' folder")
        for kind, names in KINDS.items():
            found[kind] += [root / name for name in names]  # also one that is made later
        beside = [root.resolve().parent] if root.resolve().name == "models" else []
        for file in (place / name for place in (root, *beside) for name in _EXTRA_PATHS_NAMES):
            if file.is_file():
                _add_extra_paths(found, file)
    for file in extra_paths_files:
        _add_extra_paths(found, file)
    return found


def _add_extra_paths(found: dict[str, list[Path]], file: Path) -> None:
    import yaml

    try:
        document: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise DagfusionError(f"'{file}' cannot be read: {error.strerror}", remedy="check the path") from error
    except (ValueError, yaml.YAMLError) as error:
        raise DagfusionError(f"'{file}' is not readable YAML: {error}", remedy=_EXTRA_PATHS) from error
    if not isinstance(document, dict):
        raise DagfusionError(f"'{file}' must map a name to folders", remedy=_EXTRA_PATHS)
    for section in document.values():
        if not isinstance(section, dict):
            continue
        base = Path(os.path.expandvars(str(section.get("base_path", "")))).expanduser()
        base = base if base.is_absolute() else file.parent / base
        for key, value in section.items():
            if key in ("base_path", "is_default") or not isinstance(value, str):
                continue
            folders = [base / line.strip() for line in value.splitlines() if line.strip()]
            listed = found.setdefault(_ALIASES.get(key, str(key)), [])
            listed[:] = folders + listed if section.get("is_default") is True else listed + folders


def _walk(folder: Path, suffixes: tuple[str, ...] | None) -> list[str]:
    names = []
    for directory, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        names += [
            Path(directory, file).relative_to(folder).as_posix()
            for file in files
            if not file.startswith(".") and (suffixes is None or file.lower().endswith(suffixes))
        ]
    return names
