"""Every case runs with its smallest parameters and writes valid records."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import registry
from benchmarks.cache import EDITS
from benchmarks.endurance import growth
from benchmarks.fresh import in_a_process
from benchmarks.image import psnr
from benchmarks.run import BenchOptions, run
from benchmarks.shapes import SHAPES, trivial_registry, with_one_change
from benchmarks.timing import in_turns
from benchmarks.weights import checkpoint_shapes, random_tensors
from engine.errors import DagfusionError
from engine.folders import Folders
from engine.registry import Registry
from engine.validate import inspect
from engine.workflow import Workflow
from nodes import builtin_registry


@pytest.mark.parametrize("name", registry.names())
def test_the_smallest_run_measures_something(name: str) -> None:
    case = registry.find(name)
    records = list(run(case, BenchOptions(quick=True, repeats=1)))
    assert records
    for record in records:
        assert record.case == name
        assert all(math.isfinite(sample) and sample >= 0 for sample in record.samples)
        assert type(record).model_validate_json(record.model_dump_json()) == record
    told = {record.metric: record for record in records if record.metric in case.told}
    for metric, record in told.items():
        named = {**record.parameters, "dtype": record.dtype, "kernel": record.kernel, "device": record.device}
        assert "{" not in case.told[metric].format_map(named)


@pytest.mark.parametrize("count", [3, 10, 301])
@pytest.mark.parametrize("shape", SHAPES)
def test_graphs_of_trivial_nodes_have_the_size_that_was_asked_for_and_no_problem(shape: str, count: int) -> None:
    registry_of_all = Registry()
    for spec in (*trivial_registry().values(), *builtin_registry().values()):
        registry_of_all.add(spec)
    nodes = SHAPES[shape](count, 1)
    assert len(nodes) == count
    folders = Folders({}, Path(), Path(), Path())
    assert not inspect(Workflow(nodes=nodes), registry_of_all, folders).problems


def test_one_literal_changes() -> None:
    nodes = SHAPES["diamonds"](10, 1)
    changed = with_one_change(nodes, 77)
    assert changed is not None
    (differing,) = [name for name in nodes if changed[name] != nodes[name]]
    assert changed[differing].inputs == {**nodes[differing].inputs, "b": 77}


def test_a_case_that_is_not_there_is_named() -> None:
    with pytest.raises(DagfusionError, match=r"no case 'stepp'.*did you mean 'step'"):
        registry.find("stepp")


def test_an_edit_runs_what_depends_on_it_and_nothing_else() -> None:
    records = run(registry.find("cache"), BenchOptions(quick=True, repeats=1, axes={"edit": tuple(EDITS)}))
    ran = {record.parameters["edit"]: record.median for record in records if record.metric == "nodes run"}
    # model, positive, negative, picture, latent, sampler, decode, save
    assert ran["nothing"] == 0
    assert ran["output prefix"] == 1
    assert ran["seed"] == ran["cfg"] == ran["steps"] == 3
    assert ran["prompt"] == 4
    assert ran["image"] == 5
    assert ran["model"] == 7


def test_pictures_that_are_alike_have_a_high_ratio() -> None:
    flat = np.full((8, 8, 3), 100, dtype=np.uint8)
    assert psnr(flat, flat) == 100
    assert psnr(flat, flat + 1) == pytest.approx(48.13, abs=0.01)
    assert psnr(flat, flat + 100) < 10


def test_growth_is_the_last_fifth_over_the_second() -> None:
    assert growth([50.0] * 2 + [100.0] * 6 + [110.0] * 2) == 1.1


def test_turns_alternate_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    seconds = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert "".join(order) == "ba" + "ab" + "ba" + "ab"
    assert {side: len(taken) for side, taken in seconds.items()} == {"a": 3, "b": 3}


def test_random_checkpoints_have_the_names_and_sizes_of_published_ones() -> None:
    shapes = checkpoint_shapes("sd15")
    assert sum(math.prod(shape) for shape in shapes.values()) == 1_066_235_307
    assert shapes["cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc1.weight"] == (3072, 768)
    assert shapes["first_stage_model.decoder.mid.attn_1.q.weight"] == (512, 512, 1, 1)
    xl = checkpoint_shapes("sdxl")
    assert xl["model.diffusion_model.label_emb.0.0.weight"] == (1280, 2816)
    assert xl["conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight"] == (3840, 1280)


def test_random_weights_keep_the_scale_of_their_input() -> None:
    made = dict(random_tensors({"a.weight": (300, 200), "a.bias": (300,), "norm.weight": (300,)}, 0))
    assert made["a.weight"].float().std().item() == pytest.approx(200**-0.5, rel=0.05)
    assert not made["a.bias"].any()
    assert bool((made["norm.weight"] == 1).all())


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(DagfusionError, match=r"(?s)load ended with exit code 2: .*invalid choice: 'nothing'"):
        in_a_process("benchmarks.load", "--folder", str(tmp_path), "--case", "nothing")
