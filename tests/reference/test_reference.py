"""The recorded cases: what ComfyUI 0.3.64 computed for 128 prompts on tiny models, against what this engine computes.

``cases/prompts.json`` holds the prompts, ``cases/outputs.safetensors`` what came out, in float32 on the CPU. The
Probe* nodes in the prompts mark what was recorded; this file registers them. The distance is the relative L2 norm.
ComfyUI's own results spread by 3e-5 (dpm_adaptive: 3e-3) between two attention kernels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from safetensors import safe_open
from torch import Tensor

from engine.context import Context
from engine.engine import Engine
from engine.folders import Folders, model_folders
from engine.inputs import Wire
from engine.model_store import ModelStore
from engine.registry import node
from engine.schema import NodeSpec
from engine.types import Image, Latent
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry
from nodes.values import Conditioning, Sigmas

CASES = Path(__file__).parent / "cases"
PROMPTS: dict[str, dict[str, Any]] = json.loads((CASES / "prompts.json").read_text())
BOUND = 1e-3
BOUNDS = {"sampler_dpm_adaptive": 2e-2}

Recorded = Annotated[Any, Wire("*")]


@node("ProbeLatent", category="test", output_node=True)
def probe_latent(ctx: Context, *, latent: Latent, name: str) -> Recorded:
    found = {"samples": latent.samples}
    return found if latent.noise_mask is None else found | {"noise_mask": latent.noise_mask}


@node("ProbeImage", category="test", output_node=True)
def probe_image(ctx: Context, *, image: Image, name: str) -> Recorded:
    return {"image": image.pixels}


@node("ProbeSigmas", category="test", output_node=True)
def probe_sigmas(ctx: Context, *, sigmas: Sigmas, name: str) -> Recorded:
    return {"sigmas": sigmas.values}


@node("ProbeConditioning", category="test", output_node=True)
def probe_conditioning(ctx: Context, *, conditioning: Conditioning, name: str) -> Recorded:
    found = {}
    for i, entry in enumerate(conditioning.entries):
        found[f"{i}.cond"] = entry.context
        if entry.pooled is not None:
            found[f"{i}.pooled"] = entry.pooled
    return found


PROBES = (probe_latent, probe_image, probe_sigmas, probe_conditioning)


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One engine for all cases, as a server would have: what several of them share is computed once."""
    registry = builtin_registry()
    for probe in PROBES:
        specs: list[NodeSpec] = probe.__dict__["__dagfusion_nodes__"]
        for spec in specs:
            registry.add(spec)
    folder = tmp_path_factory.mktemp("run")
    folders = Folders(model_folders([models_dir]), folder / "input", folder / "output", folder / "temp")
    return Engine(registry, folders, ModelStore("cpu", precision="float32"))


@pytest.fixture(scope="module")
def references() -> dict[str, dict[str, Tensor]]:
    """Recorded tensors by case and name."""
    by_case: dict[str, dict[str, Tensor]] = {}
    with safe_open(CASES / "outputs.safetensors", "pt") as file:
        for key in file.keys():  # noqa: SIM118 - this is no mapping
            case, _, name = key.partition("/")
            by_case.setdefault(case, {})[name] = file.get_tensor(key)
    return by_case


def distance(ours: Tensor, reference: Tensor) -> float:
    """Relative L2 distance; where the reference is all zeros, the L2 norm of ours."""
    reference = reference.double()
    norm = reference.norm()
    return float((ours.double() - reference).norm() / (norm or 1.0))


def test_every_case_has_a_recording(references: dict[str, dict[str, Tensor]]) -> None:
    assert set(PROMPTS) == set(references)
    assert len(PROMPTS) == 128


@pytest.mark.parametrize("case", PROMPTS)
def test_case(case: str, engine: Engine, references: dict[str, dict[str, Tensor]], record_property: Any) -> None:
    workflow = Workflow(nodes={node_id: NodeDocument(**entry) for node_id, entry in PROMPTS[case].items()})
    result = engine.run(workflow)
    ours = {name: tensor for output in result.outputs.values() for name, tensor in output.values[0][0].items()}
    assert set(ours) == set(references[case])
    for name, reference in references[case].items():
        assert ours[name].shape == reference.shape
        found = distance(ours[name], reference)
        record_property(f"{case}/{name}", found)
        assert found <= BOUNDS.get(case, BOUND), f"{case}/{name} is {found:.2e} away"
