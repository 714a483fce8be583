"""Small classes, and a writer of UI-form workflows, for the tests of the conversion."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from engine.context import Context
from engine.inputs import Choice, FileChoice, Int, Prompt, Seed, Wire
from engine.registry import Registry, node

Model = Annotated[Any, Wire("MODEL")]
Clip = Annotated[Any, Wire("CLIP")]
Conditioning = Annotated[Any, Wire("CONDITIONING")]
Latent = Annotated[Any, Wire("LATENT")]
Image = Annotated[Any, Wire("IMAGE")]
Mask = Annotated[Any, Wire("MASK")]


class Loaded(NamedTuple):
    model: Model
    clip: Clip


class Picture(NamedTuple):
    image: Image
    mask: Mask


@node("Load", category="test")
def load(ctx: Context, *, ckpt_name: Annotated[str, FileChoice("checkpoints")]) -> Loaded:
    return Loaded(None, None)


@node("LoadPicture", category="test")
def load_picture(
    ctx: Context,
    *,
    image: Annotated[str, FileChoice("input", upload="image")],
    channel: Annotated[str, Choice("alpha", "red")],
    strength: Annotated[float, Int(optional=True)] = 1,
) -> Picture:
    return Picture(None, None)


@node("Encode", category="test", display_name="Encode text")
def encode(ctx: Context, *, text: Prompt = "", clip: Clip) -> Conditioning:
    return None


@node("Empty", category="test")
def empty(ctx: Context, *, width: int = 512, height: int = 512) -> Latent:
    return None


@node("Sample", category="test")
def sample(
    ctx: Context,
    *,
    model: Model,
    positive: Conditioning,
    seed: Seed = 0,
    steps: int = 20,
    cfg: float = 8.0,
    sampler_name: Annotated[str, Choice("euler", "heun", "fixed")],
    latent: Latent,
    denoise: float = 1.0,
) -> Latent:
    return None


@node("Tune", category="test")
def tune(ctx: Context, *, model: Model, shift: float = 3.0) -> Model:
    return None


@node("Save", category="test", output_node=True)
def save(
    ctx: Context, *, samples: Latent, filename_prefix: str = "out", quality: Annotated[int, Int(optional=True)] = 90
) -> None:
    return None


@node("Anything", category="test", accepts_any_input=True)
def anything(ctx: Context, *, first: int = 0, **others: Any) -> Latent:
    return None


def classes() -> Registry:
    """A registry with the classes of this file."""
    registry = Registry()
    for function in (load, load_picture, encode, empty, sample, tune, save, anything):
        for spec in function.__dict__["__dagfusion_nodes__"]:
            registry.add(spec)
    return registry


class Drawing:
    """A graph that is drawn node by node: the root, or a subgraph's definition once it has ports."""

    def __init__(self, *, objects: bool = False) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.links: list[Any] = []
        self.objects = objects
        self.inputs: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Any]] = []

    def add(
        self,
        node_id: int,
        class_type: str,
        *values: Any,
        inputs: str = "",
        outputs: str = "",
        mode: int = 0,
        title: str | None = None,
        **more: Any,
    ) -> int:
        """Add a node. ``inputs``: ``name:TYPE`` words, ``name:TYPE!`` for one that stands for a widget."""
        drawn: dict[str, Any] = {
            "id": node_id,
            "type": class_type,
            "mode": mode,
            "inputs": [_slot(word) for word in inputs.split()],
            "outputs": [_slot(word) for word in outputs.split()],
            "widgets_values": list(values),
            **more,
        }
        if title:
            drawn["title"] = title
        self.nodes.append(drawn)
        return node_id

    def link(self, origin: int, origin_slot: int, target: int, target_input: str) -> int:
        """Draw a link; -10 and -20 are a subgraph's inside ends, whose ``target_input`` then names an output port."""
        link_id = len(self.links) + 100
        if target == -20:
            slot = [port["name"] for port in self.outputs].index(target_input)
            self.outputs[slot]["linkIds"].append(link_id)
        else:
            inputs = next(n for n in self.nodes if n["id"] == target)["inputs"]
            slot = [entry["name"] for entry in inputs].index(target_input)
            inputs[slot]["link"] = link_id
        if origin == -10:
            self.inputs[origin_slot]["linkIds"].append(link_id)
        fields = (link_id, origin, origin_slot, target, slot, "*")
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        self.links.append(dict(zip(names, fields, strict=True)) if self.objects else list(fields))
        return link_id

    def ports(self, *, inputs: str = "", outputs: str = "") -> Drawing:
        """Make this a subgraph's inside."""
        self.inputs = [{**_slot(word), "linkIds": []} for word in inputs.split()]
        self.outputs = [{**_slot(word), "linkIds": []} for word in outputs.split()]
        return self

    def as_subgraph(self, subgraph_id: str) -> dict[str, Any]:
        """The definition."""
        return {
            "id": subgraph_id,
            "name": subgraph_id,
            "inputNode": {"id": -10},
            "outputNode": {"id": -20},
            "inputs": self.inputs,
            "outputs": self.outputs,
            "nodes": self.nodes,
            "links": self.links,
        }

    def as_file(self, *subgraphs: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """The whole file."""
        file: dict[str, Any] = {"nodes": self.nodes, "links": self.links, "version": 1 if self.objects else 0.4}
        if subgraphs:
            file["definitions"] = {"subgraphs": list(subgraphs)}
        return {**file, "extra": extra}


def _slot(word: str) -> dict[str, Any]:
    name, _, wire = word.partition(":")
    slot: dict[str, Any] = {"name": name, "type": wire.rstrip("!") or "*", "link": None}
    if wire.endswith("!"):
        slot["widget"] = {"name": name}
    return slot


def text_to_latent(*, objects: bool = False) -> Drawing:
    """Load, Encode, Empty, Sample and Save, as the front end would save them."""
    drawing = Drawing(objects=objects)
    drawing.add(1, "Load", "a.safetensors", outputs="MODEL:MODEL CLIP:CLIP")
    drawing.add(2, "Encode", "a cat", inputs="clip:CLIP", outputs="CONDITIONING:CONDITIONING", title="Positive")
    drawing.add(3, "Empty", 64, 32, outputs="LATENT:LATENT")
    drawing.add(
        4,
        "Sample",
        *(7, "randomize", 20, 8.0, "euler", 1.0),
        inputs="model:MODEL positive:CONDITIONING latent:LATENT",
        outputs="LATENT:LATENT",
    )
    drawing.add(5, "Save", "cats", 80, inputs="samples:LATENT")
    drawing.link(1, 1, 2, "clip")
    drawing.link(1, 0, 4, "model")
    drawing.link(2, 0, 4, "positive")
    drawing.link(3, 0, 4, "latent")
    drawing.link(4, 0, 5, "samples")
    return drawing
