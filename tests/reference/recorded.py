"""Recorded workflows: nodes that mark what is compared, an engine that has them, the distance of two results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import safe_open
from torch import Tensor

from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.inputs import Wire
from engine.model_store import ModelStore
from engine.registry import node
from engine.schema import NodeSpec
from engine.types import Audio, Image
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.sampling_values import Sigmas
from nodes.values import Conditioning, Latent
from nodes.vision_values import ClipVisionOutput

Recorded = Annotated[Any, Wire("*")]


@node("ProbeLatent", category="test", output_node=True)
def probe_latent(ctx: Context, *, latent: Latent, name: str) -> Recorded:
    if latent.others:
        return {f"samples.{place}": part.samples for place, part in enumerate(latent.parts)}
    found = {"samples": latent.samples}
    return found if latent.noise_mask is None else found | {"noise_mask": latent.noise_mask}


@node("ProbeImage", category="test", output_node=True)
def probe_image(ctx: Context, *, image: Image, name: str) -> Recorded:
    return {"image": image.pixels}


@node("ProbeAudio", category="test", output_node=True)
def probe_audio(ctx: Context, *, audio: Audio, name: str) -> Recorded:
    return {"waveform": audio.waveform, "sample_rate": torch.tensor([float(audio.sample_rate_hz)])}


@node("ProbeSigmas", category="test", output_node=True)
def probe_sigmas(ctx: Context, *, sigmas: Sigmas, name: str) -> Recorded:
    return {"sigmas": sigmas.values}


@node("ProbeClipVision", category="test", output_node=True)
def probe_clip_vision(ctx: Context, *, clip_vision_output: ClipVisionOutput, name: str) -> Recorded:
    return {
        "penultimate_hidden_states": clip_vision_output.penultimate_hidden,
        "image_embeds": clip_vision_output.summary,
    }


@node("ProbeConditioning", category="test", output_node=True)
def probe_conditioning(ctx: Context, *, conditioning: Conditioning, name: str) -> Recorded:
    found = {}
    for i, entry in enumerate(conditioning.entries):
        found[f"{i}.cond"] = entry.context
        if entry.pooled is not None:
            found[f"{i}.pooled"] = entry.pooled
        if (mask := entry.extra.get("attention_mask")) is not None:
            found[f"{i}.attention_mask"] = mask
        parts = {"concat_latent_image": entry.concat_latent, "concat_mask": entry.concat_mask}
        found |= {f"{i}.{part}": given for part, given in parts.items() if given is not None}
        if (glyphs := entry.extra.get("conditioning_byt5small")) is not None:
            found[f"{i}.conditioning_byt5small"] = glyphs
        if (lyrics := entry.extra.get("conditioning_lyrics")) is not None:
            found[f"{i}.conditioning_lyrics"] = lyrics.float()
        for j, codes in enumerate(entry.extra.get("audio_codes", ())):
            found[f"{i}.audio_codes.{j}"] = torch.tensor(codes, dtype=torch.float32)
        for name in ("frame_rate", "keyframe_idxs", "fps", "motion_bucket_id", "augmentation_level", "lyrics_strength"):
            if (value := entry.extra.get(name)) is not None:
                found[f"{i}.{name}"] = torch.as_tensor(value).reshape(-1) if isinstance(value, int | float) else value
        for j, latent in enumerate(entry.extra.get("reference_latents", ())):
            found[f"{i}.reference.{j}"] = latent
    return found


def probing_engine(folder: Path, *models: Path) -> Engine:
    """One engine for all cases, as a server would have: what several of them share is computed once.

    ``folder`` is for what runs write, ``models`` are searched in order.
    """
    registry = builtin_registry()
    for probe in (probe_latent, probe_image, probe_audio, probe_sigmas, probe_clip_vision, probe_conditioning):
        specs: list[NodeSpec] = probe.__dict__["__dagfusion_nodes__"]
        for spec in specs:
            registry.add(spec)
    folders = Folders(model_folders(list(models)), folder / "input", folder / "output", folder / "temp")
    return Engine(registry, folders, ModelStore("cpu", precision="float32"))


def run(engine: Engine, graph: Mapping[str, dict[str, Any]]) -> dict[str, Tensor]:
    """What the probes of a workflow found, by name."""
    workflow = Workflow(nodes={node_id: NodeDocument(**entry) for node_id, entry in graph.items()})
    result = engine.run(workflow)
    return {name: tensor for output in result.outputs.values() for name, tensor in output.values[0][0].items()}


def read(path: Path) -> dict[str, dict[str, Tensor]]:
    """Recorded tensors by case and name."""
    by_case: dict[str, dict[str, Tensor]] = {}
    with safe_open(path, "pt") as file:
        for key in file.keys():  # noqa: SIM118 - this is no mapping
            case, _, name = key.partition("/")
            by_case.setdefault(case, {})[name] = file.get_tensor(key)
    return by_case


def distance(ours: Tensor, reference: Tensor) -> float:
    """Relative L2 distance; where the reference is all zeros, the L2 norm of ours."""
    reference = reference.double()
    norm = reference.norm()
    return float((ours.double() - reference).norm() / (norm or 1.0))


def compare(
    ours: Mapping[str, Tensor], reference: Mapping[str, Tensor], bound: float, note: Callable[[str, object], None]
) -> None:
    """Each tensor is there and no further than ``bound`` from the recorded one; ``note`` hears how far each is."""
    assert set(ours) == set(reference)
    for name, recorded in reference.items():
        assert ours[name].shape == recorded.shape
        found = distance(ours[name], recorded)
        note(name, found)
        assert found <= bound, f"{name} is {found:.2e} away"
