"""ControlNets in a composed workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.service.prepare.generate.choices import chosen_control_net, is_union
from adapters.service.prepare.generate.parameters import ControlParameters, ControlType, Preprocess
from adapters.service.prepare.generate.prompt import Link, Prompt, output
from engine.folders import Folders

# What SetUnionControlNetType calls them.
_MODES: Mapping[ControlType, str] = {
    "openpose": "openpose",
    "depth": "depth",
    "scribble": "hed/pidi/scribble/ted",
    "canny": "canny/lineart/anime_lineart/mlsd",
    "lineart": "canny/lineart/anime_lineart/mlsd",
    "mlsd": "canny/lineart/anime_lineart/mlsd",
    "normal": "normal",
    "segment": "segment",
    "tile": "tile",
    "repaint": "repaint",
}

_PREPROCESSORS: Mapping[Preprocess, str] = {
    "depth": "MiDaS-DepthMapPreprocessor",
    "hed": "HEDPreprocessor",
    "lineart": "LineArtPreprocessor",
    "mlsd": "M-LSDPreprocessor",
    "normal": "BAE-NormalMapPreprocessor",
    "openpose": "OpenposePreprocessor",
    "pidinet": "PiDiNetPreprocessor",
    "color": "ColorPreprocessor",
    "scribble": "ScribblePreprocessor",
    "tile": "TilePreprocessor",
}


def apply_controls(
    prompt: Prompt,
    files: dict[str, str],
    folders: Folders,
    controls: Sequence[ControlParameters],
    positive: Link,
    negative: Link,
) -> tuple[Link, Link]:
    """Both conditionings under all controls; a ControlNet that several use is loaded once. Fills ``files``."""
    loaders: dict[str, Link] = {}
    for number, control in enumerate(controls):
        files[f"control_{number}"] = control.image
        image = output(prompt.add("LoadImage", "Control picture", image=f"control_{number}"))
        if control.preprocess == "canny":
            thresholds = {"low_threshold": control.low_threshold, "high_threshold": control.high_threshold}
            image = output(prompt.add("Canny", "Edges", image=image, **thresholds))
        elif control.preprocess != "none":
            preprocessor = _PREPROCESSORS[control.preprocess]
            image = output(prompt.add("AIO_Preprocessor", "Preprocess", image=image, preprocessor=preprocessor))
        name = chosen_control_net(folders, control.model, control.type)
        if name not in loaders:
            loaders[name] = output(prompt.add("ControlNetLoader", "Load ControlNet", control_net_name=name))
        net = loaders[name]
        if control.mode is not None or is_union(name):
            mode = _MODES[control.mode or control.type]
            net = output(prompt.add("SetUnionControlNetType", "Kind of control", control_net=net, type=mode))
        node = prompt.add(
            "ControlNetApplyAdvanced",
            "Apply ControlNet",
            positive=positive,
            negative=negative,
            control_net=net,
            image=image,
            strength=control.strength,
            start_percent=control.start,
            end_percent=control.end,
        )
        positive, negative = output(node, 0), output(node, 1)
    return positive, negative
