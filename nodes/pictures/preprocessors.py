"""What networks see in pictures, drawn for ControlNets: edges, lines, depth, normals, poses (controlnet_aux)."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import DagfusionError, ModelMissing, ModelUnreadable, first_line
from engine.folders import Folders
from nodes.pictures.encode import levels
from nodes.preprocessor_files import FILES, KIND

_CLASSES: Mapping[str, str] = {
    "BAE-NormalMapPreprocessor": "NormalBaeDetector",
    "HEDPreprocessor": "HEDdetector",
    "LineArtPreprocessor": "LineartDetector",
    "M-LSDPreprocessor": "MLSDdetector",
    "MiDaS-DepthMapPreprocessor": "MidasDetector",
    "OpenposePreprocessor": "OpenposeDetector",
    "PiDiNetPreprocessor": "PidiNetDetector",
}  # of controlnet_aux


def detected(pixels: Tensor, name: str, resolution_px: int, folders: Folders, device: torch.device) -> Tensor:
    """Float[batch, height, width, 3], 0..1, of float[batch, height, width, channels].

    ``resolution_px`` is the shorter side's, near enough. Raises ``ModelMissing``, ``ModelUnreadable``, and
    ``DagfusionError`` where controlnet_aux is not installed.
    """
    detect = _load(name, folders).to(device)
    sizes = {"detect_resolution": resolution_px, "image_resolution": resolution_px}
    drawn = [np.asarray(detect(levels(picture[..., :3]), output_type="np", **sizes)) for picture in pixels]
    return torch.from_numpy(np.stack(drawn)).float() / 255.0


def files_read(name: str, folders: Folders) -> list[Path]:
    """The files of the networks that this preprocessor loads, of those that are there."""
    files: list[Path] = []
    for file in FILES.get(name, ()):
        with suppress(ModelMissing):
            files.append(folders.find(KIND, file))
    return files


def _load(name: str, folders: Folders) -> Any:
    paths = [folders.find(KIND, file) for file in FILES[name]]
    kind = getattr(_controlnet_aux(), _CLASSES[name])
    try:
        return kind.from_pretrained(str(paths[0].parent))
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, UnpicklingError) as error:
        raise ModelUnreadable(
            f"'{paths[0]}' cannot be used: {first_line(error)}", remedy="load it again from its source"
        ) from error


def _controlnet_aux() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it could do if more were installed
            return importlib.import_module("controlnet_aux")
    except ImportError as error:
        raise DagfusionError(
            "this preprocessor needs controlnet_aux, which is not installed", remedy="install dagfusion[preprocess]"
        ) from error
