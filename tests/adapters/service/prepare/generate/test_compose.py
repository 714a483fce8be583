"""Composed workflows are the example graphs, and run as they stand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from adapters.host.settings import EMBEDDED_MODELS
from adapters.service.prepare.generate.choices import (
    CheckpointFacts,
    checkpoint_facts,
    chosen_checkpoint,
    chosen_control_net,
    chosen_refiner,
)
from adapters.service.prepare.generate.compose import compose
from adapters.service.prepare.generate.diffusers_names import translated
from adapters.service.prepare.generate.parameters import PictureParameters, Preprocess, RefinerParameters
from engine.document import read_workflow
from engine.errors import InputInvalid, ModelMissing
from engine.folders import Folders, model_folders
from engine.validate import inspect
from nodes import builtin_registry

GRAPHS = Path(__file__).parents[5] / "graphs"
REGISTRY = builtin_registry()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """The embedded models, empty files of the kinds that there are none of, and pictures."""
    for name in (
        "controlnet/tiny_canny.safetensors",
        "controlnet/xl-union.safetensors",
        "loras/a.safetensors",
        "checkpoints/refiner.safetensors",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("image", "mask", "control_0", "control_1"):
        (tmp_path / name).touch()
    return Folders(models=model_folders([tmp_path, EMBEDDED_MODELS]), input=tmp_path)


def _nodes(parameters: dict[str, Any], folders: Folders) -> dict[str, Any]:
    made = compose(PictureParameters(**parameters), folders)
    workflow = read_workflow(json.loads(json.dumps(dict(made.nodes))), REGISTRY)
    assert inspect(workflow, REGISTRY, folders).problems == ()
    return dict(made.nodes)


def _shape(nodes: dict[str, Any], node_id: str) -> Any:
    """The node and all upstream of it, without ids, titles and values that people choose."""
    node = nodes[node_id]
    inputs = {
        name: (_shape(nodes, value[0]), value[1]) if isinstance(value, list) else "value"
        for name, value in sorted(node["inputs"].items())
    }
    return node["class_type"], tuple(inputs.items())


def _saved(nodes: dict[str, Any]) -> Any:
    (node_id,) = (node_id for node_id, node in nodes.items() if node["class_type"] == "SaveImage")
    return _shape(nodes, node_id)


CONTROL = {"image": "x", "preprocess": "canny"}


@pytest.mark.parametrize(
    ("graph", "parameters"),
    [
        ("text_to_image", {}),
        ("image_to_image", {"image": "x"}),
        ("inpaint", {"image": "x", "mask": "x"}),
        ("lora", {"loras": [{"name": "a.safetensors"}]}),
        ("controlnet", {"controls": [CONTROL]}),
        ("hires", {"hires": {}}),
        ("sdxl_base_refiner", {"refiner": {"model": "refiner.safetensors"}}),
        ("controlnet_union", {"controls": [{**CONTROL, "model": "xl-union.safetensors"}]}),
    ],
)
def test_it_composes_what_the_example_graphs_are(graph: str, parameters: dict[str, Any], folders: Folders) -> None:
    expected = json.loads((GRAPHS / f"{graph}.json").read_text())
    assert _saved(_nodes({"prompt": "x", **parameters}, folders)) == _saved(expected)


def test_all_of_it_together(folders: Folders) -> None:
    nodes = _nodes(
        {
            "prompt": "p",
            "negative_prompt": "n",
            "width": 64,
            "height": 96,
            "steps": 3,
            "cfg": 2.5,
            "sampler": "euler",
            "scheduler": "normal",
            "seed": 7,
            "model": "tiny.safetensors",
            "vae": "pixel_space",
            "clip_skip": 2,
            "batch": 3,
            "image": "x",
            "mask": "y",
            "strength": 0.5,
            "loras": [{"name": "a.safetensors", "strength": 0.7}, {"name": "a.safetensors", "clip_strength": 0}],
            "controls": [
                {**CONTROL, "strength": 0.4, "start": 0.1, "end": 0.6},
                {"image": "z", "type": "depth", "model": "xl-union.safetensors"},
            ],
            "upscale": {},
        },
        folders,
    )
    by_class: dict[str, list[dict[str, Any]]] = {}
    for node in nodes.values():
        by_class.setdefault(node["class_type"], []).append(node["inputs"])
    (sampler,) = by_class["KSampler"]
    chosen = {name: sampler[name] for name in ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")}
    assert chosen == {
        "seed": 7,
        "steps": 3,
        "cfg": 2.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 0.5,
    }
    assert [text["text"] for text in by_class["CLIPTextEncode"]] == ["p", "n"]
    assert by_class["CLIPSetLastLayer"][0]["stop_at_clip_layer"] == -2
    assert [(lora["strength_model"], lora["strength_clip"]) for lora in by_class["LoraLoader"]] == [(0.7, 0.7), (1, 0)]
    first, second = by_class["ControlNetApplyAdvanced"]
    assert (first["strength"], first["start_percent"], first["end_percent"]) == (0.4, 0.1, 0.6)
    assert nodes[second["positive"][0]]["class_type"] == "ControlNetApplyAdvanced"
    assert by_class["SetUnionControlNetType"][0]["type"] == "depth"
    assert by_class["RepeatLatentBatch"][0]["amount"] == by_class["RepeatImageBatch"][0]["amount"] == 3
    assert {(scale["width"], scale["height"]) for scale in by_class["ImageScale"]} == {(64, 96)}
    assert by_class["UpscaleModelLoader"][0]["model_name"] == "tiny_upscale_x2.safetensors"
    assert by_class["VAELoader"][0]["vae_name"] == "pixel_space"


@pytest.mark.parametrize("preprocess", get_args(Preprocess))
def test_photos_are_made_into_what_control_nets_take(preprocess: str, folders: Folders) -> None:
    control = {"image": "x", "model": "tiny_canny.safetensors", "preprocess": preprocess}
    classes = [node["class_type"] for node in _nodes({"prompt": "x", "controls": [control]}, folders).values()]
    assert ("Canny" in classes) == (preprocess == "canny")
    assert ("AIO_Preprocessor" in classes) == (preprocess not in ("none", "canny"))


def test_strength_is_what_people_expect(folders: Folders) -> None:
    def denoise(**more: Any) -> float:
        nodes = _nodes({"prompt": "x", **more}, folders).values()
        return next(float(node["inputs"]["denoise"]) for node in nodes if node["class_type"] == "KSampler")

    assert denoise() == 1
    assert denoise(image="x") == 0.75
    assert denoise(image="x", mask="x") == 1
    assert denoise(image="x", strength=0) == 0


def test_one_control_net_is_loaded_once(folders: Folders) -> None:
    nodes = _nodes({"prompt": "x", "controls": [CONTROL, CONTROL]}, folders)
    assert sum(node["class_type"] == "ControlNetLoader" for node in nodes.values()) == 1


def test_a_seed_is_chosen_where_none_is_given(folders: Folders) -> None:
    seeds = {compose(PictureParameters(prompt="x"), folders).seed for _ in range(5)}
    assert len(seeds) > 1


def test_sizes_and_inpainting_are_read_from_the_checkpoint(tmp_path: Path, folders: Folders) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    entry = "model.diffusion_model.input_blocks.0.0.weight"
    block = "model.diffusion_model.transformer_blocks.0.attn."
    transformer = {f"{block}{name}.weight": (2,) for name in ("to_q", "to_k", "to_v", "norm_q", "norm_added_q")}
    for name in ("txt_norm.weight", "time_text_embed.timestep_embedder.linear_1.weight"):
        transformer[f"model.diffusion_model.{name}"] = (2,)
    files = {
        "sd15": ({entry: (320, 4)}, {}, CheckpointFacts(512)),
        "inpaint": ({entry: (320, 9)}, {}, CheckpointFacts(512, inpainting=True)),
        "sdxl": ({entry: (320, 4), "conditioner.embedders.0.x": (1,)}, {}, CheckpointFacts(1024)),
        "sd2": ({entry: (320, 4), "cond_stage_model.model.x": (1,)}, {}, CheckpointFacts(768)),
        "said": ({entry: (320, 4)}, {"modelspec.resolution": "640x640"}, CheckpointFacts(640)),
        "odd": ({entry: (320, 4)}, {"modelspec.resolution": "many"}, CheckpointFacts(512)),
        "qwen": (transformer, {}, CheckpointFacts(1024)),
    }
    for name, (shapes, metadata, facts) in files.items():
        path = tmp_path / f"{name}.safetensors"
        save_file({key: np.zeros(shape, np.float16) for key, shape in shapes.items()}, path, metadata)
        assert checkpoint_facts(path) == facts, name
    assert checkpoint_facts(folders.find("checkpoints", "tiny.safetensors")) == CheckpointFacts(128)
    (tmp_path / "broken").write_bytes(b"no")
    assert checkpoint_facts(tmp_path / "broken") == CheckpointFacts()
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "inpaint.safetensors").rename(tmp_path / "checkpoints" / "inpaint.safetensors")
    here = Folders(models=model_folders([tmp_path]), input=tmp_path)
    painting = PictureParameters(prompt="x", model="inpaint.safetensors", image="x", mask="x")
    nodes = compose(painting, here).nodes
    assert "InpaintModelConditioning" in [node["class_type"] for node in nodes.values()]


def test_models_are_chosen_or_missed(folders: Folders) -> None:
    assert chosen_control_net(folders, None, "canny") == "tiny_canny.safetensors"
    assert chosen_control_net(folders, None, "depth") == "xl-union.safetensors"
    empty = Folders()
    with pytest.raises(ModelMissing, match="no ControlNet"):
        chosen_control_net(empty, None, "depth")
    with pytest.raises(ModelMissing, match="none among the checkpoints"):
        compose(PictureParameters(prompt="x"), empty)
    with pytest.raises(ModelMissing, match="'other'"):
        compose(PictureParameters(prompt="x", model="other"), folders)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"prompt": "x", "mask": "m"},
        {"prompt": "x", "width": 64},
        {"prompt": "x", "width": 65, "height": 64},
        {"prompt": "x", "steps": 0},
        {"prompt": "x", "stepz": 1},
        {"prompt": "x", "batch": 1000},
        {"prompt": "x", "seed": -1},
        {"prompt": "x", "cfg": float("nan")},
        {"prompt": "x", "controls": [{}]},
        {"prompt": "x", "image": "x", "refiner": {}},
        {"prompt": "x", "image": "x", "mask": "x", "hires": {}},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PictureParameters(**wrong)


def test_requests_in_diffusers_words_are_understood() -> None:
    found = translated(
        {
            "prompt": "x",
            "num_inference_steps": 7,
            "guidance_scale": 3.0,
            "num_images": 2,
            "image_url": "https://x.example/a.png",
            "mask_image": "aGk=",
            "scheduler": "K_EULER_ANCESTRAL",
            "control_image": "aGk=",
            "controlnet_conditioning_scale": 0.5,
            "control_mode": "depth",
            "refiner_inference_steps": 50,
            "high_noise_frac": 0.7,
            "seed": None,
        }
    )
    parameters = PictureParameters(**found)
    assert (parameters.steps, parameters.cfg, parameters.batch) == (7, 3.0, 2)
    assert (parameters.sampler, parameters.scheduler) == ("euler_ancestral", "normal")
    assert (parameters.controls[0].strength, parameters.controls[0].mode) == (0.5, "depth")
    assert parameters.mask == "aGk=" and parameters.seed is None
    assert parameters.refiner == RefinerParameters(steps=50, start=0.7, required=False)
    assert translated({"scheduler": "karras"})["scheduler"] == "karras"
    with pytest.raises(InputInvalid, match="not known"):
        translated({"scheduler": "MAGIC"})
    with pytest.raises(InputInvalid, match="says again"):
        translated({"image": "a", "image_url": "b"})


def test_every_translated_scheduler_exists() -> None:
    from adapters.service.prepare.generate.diffusers_names import _SCHEDULERS
    from nodes.choices import SAMPLER_NAMES, SCHEDULER_NAMES

    for sampler, scheduler in _SCHEDULERS.values():
        assert sampler in SAMPLER_NAMES and scheduler in SCHEDULER_NAMES


def test_a_refiner_draws_the_last_steps_of_its_own_schedule(folders: Folders) -> None:
    refiner = {"model": "refiner.safetensors", "start": 0.75, "steps": 40}
    nodes = _nodes({"prompt": "x", "steps": 20, "refiner": refiner}, folders)
    base, last = (node["inputs"] for node in nodes.values() if node["class_type"] == "KSamplerAdvanced")
    assert (base["steps"], base["start_at_step"], base["end_at_step"]) == (20, 0, 15)
    assert (last["steps"], last["start_at_step"]) == (40, 30)
    assert (base["add_noise"], last["add_noise"]) == ("enable", "disable")


def test_a_refiner_that_is_not_there_is_an_error_or_a_note(folders: Folders) -> None:
    with pytest.raises(ModelMissing, match="no refiner"):
        compose(PictureParameters(prompt="x", refiner=RefinerParameters()), folders)
    for more, told in (({}, "no refiner"), ({"image": "x"}, "by one model")):
        made = compose(PictureParameters(**translated({"prompt": "x", "refiner_inference_steps": 50, **more})), folders)
        assert "KSampler" in {node["class_type"] for node in made.nodes.values()}
        (note,) = made.notes
        assert told in note


def test_a_refiner_is_found_by_its_header_and_is_no_default(tmp_path: Path, folders: Folders) -> None:
    refiner = tmp_path / "checkpoints" / "a.safetensors"
    save_file({"conditioner.embedders.0.model.token_embedding.weight": torch.zeros(2)}, refiner)
    os.utime(refiner, (1, 1))
    assert chosen_refiner(folders, None) == "a.safetensors"
    assert chosen_checkpoint(folders, None) == "tiny.safetensors"


def test_a_checkpoint_that_is_added_changes_no_request(tmp_path: Path, folders: Folders) -> None:
    before = chosen_checkpoint(folders, None)
    (tmp_path / "checkpoints" / "aaa.safetensors").touch()
    assert chosen_checkpoint(folders, None) == before
    assert chosen_checkpoint(folders, None, ["aaa.safetensors"]) == "aaa.safetensors"


def test_deepcache_is_set_by_the_request(folders: Folders) -> None:
    nodes = _nodes({"prompt": "a", "deepcache": {"interval": 5, "end_step": 12}}, folders)
    (cache,) = (node["inputs"] for node in nodes.values() if node["class_type"] == "DeepCache")
    assert (cache["cache_interval"], cache["cache_depth"], cache["start_step"], cache["end_step"]) == (5, 3, 0, 12)
    (sampler,) = (node["inputs"] for node in nodes.values() if node["class_type"] == "KSampler")
    assert nodes[sampler["model"][0]]["class_type"] == "DeepCache"
