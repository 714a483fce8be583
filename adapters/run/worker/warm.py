"""Loads what a worker is to have ready before its first job: checkpoints by name, workflows by file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from engine.document import read_workflow
from engine.engine import Engine
from engine.errors import NodeFailed
from engine.types import Link
from engine.workflow import NodeDocument, Workflow

_SIDE_PX = 64
_log = logging.getLogger(__name__)


def warm(engine: Engine, names: Iterable[str]) -> None:
    """Load the weights and run one small step with each, so that the first job finds all in place.

    A name that ends in ``.json`` is a workflow file: all of it runs, but for the output nodes. Raises
    ``DagfusionError`` where a file is missing or cannot be loaded.
    """
    for name in names:
        started_at = time.monotonic()
        if name.lower().endswith(".json"):
            workflow = read_workflow(Path(name), engine.registry)
            engine.run(workflow, _before_outputs(engine, workflow))
        else:
            _warm_checkpoint(engine, name)
        _log.info("warmed %s in %.1f s", name, time.monotonic() - started_at)


def _warm_checkpoint(engine: Engine, name: str) -> None:
    workflow = Workflow(nodes=one_step(name))
    engine.run(workflow, ["checkpoint"])
    try:
        engine.run(workflow, ["image"])
    except NodeFailed as error:
        # A checkpoint without a text encoder or VAE, say: what it has is loaded with the workflow that completes it.
        _log.info("%s is loaded, but not tried out: %s", name, error.message)


def _before_outputs(engine: Engine, workflow: Workflow) -> list[str]:
    """What the output nodes read: to run these leaves no files behind."""
    checked = engine.inspect(workflow)
    links: list[Link] = []
    for node in checked.nodes.values():
        if node.spec.output_node:
            links.extend(node.links.values())
    return list(dict.fromkeys(link.node_id for link in links))


def one_step(name: str, *, side_px: int = _SIDE_PX, steps: int = 1, seed: int = 0) -> dict[str, NodeDocument]:
    """A workflow without output nodes: the checkpoint of that name draws a picture (node ``image``), a small one."""

    def node(class_type: str, **inputs: object) -> NodeDocument:
        return NodeDocument(class_type=class_type, inputs=inputs)

    text = node("CLIPTextEncode", text="", clip=["checkpoint", 1])
    return {
        "checkpoint": node("CheckpointLoaderSimple", ckpt_name=name),
        "text": text,
        "latent": node("EmptyLatentImage", width=side_px, height=side_px, batch_size=1),
        "sampled": node(
            "KSampler",
            model=["checkpoint", 0],
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["latent", 0],
            seed=seed,
            steps=steps,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "image": node("VAEDecode", samples=["sampled", 0], vae=["checkpoint", 2]),
    }
