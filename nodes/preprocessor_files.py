"""Which files the preprocessors with networks read, by the names that they were published by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import ModelMissing, Problem
from engine.folders import Folders
from engine.resolved import ResolvedNode

KIND = "annotators"

# Of lllyasviel/Annotators on Hugging Face.
FILES: Mapping[str, tuple[str, ...]] = {
    "BAE-NormalMapPreprocessor": ("scannet.pt",),
    "HEDPreprocessor": ("ControlNetHED.pth",),
    "LineArtPreprocessor": ("sk_model.pth", "sk_model2.pth"),
    "M-LSDPreprocessor": ("mlsd_large_512_fp32.pth",),
    "MiDaS-DepthMapPreprocessor": ("dpt_hybrid-midas-501f0c75.pt",),
    "OpenposePreprocessor": ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth"),
    "PiDiNetPreprocessor": ("table5_pidinet.pth",),
}


def preprocessor_problems(nodes: Mapping[str, ResolvedNode], folders: Folders) -> Iterator[Problem]:
    """A problem for each file that a preprocessor would read and that is not there."""
    for node in nodes.values():
        chosen = node.literals.get("preprocessor")
        if node.class_type != "AIO_Preprocessor" or not isinstance(chosen, str):
            continue
        for file in FILES.get(chosen, ()):
            try:
                folders.find(KIND, file)
            except ModelMissing as error:
                message = f"'{chosen}' reads a file that is not here: {error.message}"
                yield Problem("value_not_in_list", message, error.remedy, node.id, node.class_type, "preprocessor")
