"""Draws with the shipped files as users do: the example graphs, their inputs changed, run by the engine."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.overrides import apply_overrides
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

HERE = Path(__file__).parent
WEIGHTS = HERE / "weights"
GRAPHS = HERE.parents[1] / "graphs"
Picture = NDArray[np.uint8]


def read_graph(name: str) -> Workflow:
    """An example graph by its file's name without `.json`."""
    document = json.loads((GRAPHS / f"{name}.json").read_text())
    return Workflow(
        nodes={
            node_id: NodeDocument(
                class_type=node["class_type"], inputs=node["inputs"], title=node.get("_meta", {}).get("title")
            )
            for node_id, node in document.items()
        }
    )


class Desk:
    """One engine over the shipped files, with an input and an output folder that vanish when it is closed."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._scratch = TemporaryDirectory()
        scratch = Path(self._scratch.name)
        for name in ("input", "output", "temp"):
            (scratch / name).mkdir()
        self.folders = Folders(model_folders([weights]), scratch / "input", scratch / "output", scratch / "temp")
        self.engine = Engine(builtin_registry(), self.folders, ModelStore("cpu"))

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def put(self, name: str, picture: Picture) -> str:
        """Writes a picture (`name`.png) where LoadImage finds it; returns the file's name."""
        Image.fromarray(picture).save(self.folders.input / f"{name}.png")
        return f"{name}.png"

    def draw(self, graph: str | Workflow, changes: Mapping[str, Any]) -> Picture:
        """The picture that a graph saves, uint8[H, W, 3], with inputs changed: {"Positive.text": "a red star"}."""
        workflow = read_graph(graph) if isinstance(graph, str) else graph
        overrides = [f"{place}={json.dumps(value)}" for place, value in changes.items()]
        result = self.engine.run(apply_overrides(workflow, overrides, self.engine.registry))
        saved = next(iter(result.outputs.values())).shown["images"][0]
        file = self.folders.output / saved.subfolder / saved.filename
        picture = np.asarray(Image.open(file).convert("RGB"))
        file.unlink()
        return picture

    def tell(self, caption: str, seed: int) -> Picture:
        """What `text_to_image.json` draws for a caption."""
        return self.draw("text_to_image", {"Positive.text": caption, "Sampler.seed": seed})
