"""Bad input in whole workflows: drawn as ComfyUI does where that works, else refused by node, input and remedy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from engine.engine import Engine
from engine.errors import GraphInvalid, NodeFailed
from engine.events import Event, NodeNote
from engine.folders import Folders, model_folders
from engine.model_store import ModelStore
from engine.workflow import NodeDocument, Workflow
from nodes import builtin_registry

Graph = dict[str, dict[str, Any]]
LEVELS = np.random.default_rng(1).integers(0, 256, (70, 92, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def engine(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("bad_input")
    (folder / "input").mkdir()
    write_pictures(folder / "input")
    (folder / "models" / "loras").mkdir(parents=True)
    write_loras(folder / "models" / "loras")
    (folder / "models" / "controlnet").mkdir()
    (folder / "models" / "checkpoints").mkdir()
    whole = load_file(models_dir / "checkpoints" / "tiny_sd15.safetensors")
    bare = {name: tensor for name, tensor in whole.items() if name.startswith("model.")}
    save_file(bare, folder / "models" / "checkpoints" / "bare.safetensors")
    tensors = load_file(models_dir / "controlnet" / "tiny_controlnet.safetensors")
    difference = folder / "models" / "controlnet" / "difference.safetensors"
    save_file(tensors | {"difference": torch.zeros(1)}, difference)
    folders = Folders(
        model_folders([models_dir, folder / "models"]), folder / "input", output=folder / "output", temp=folder / "temp"
    )
    return Engine(builtin_registry(), folders, ModelStore("cpu", "float32"))


def write_loras(folder: Path) -> None:
    """Of SDXL (a known module of another width), of each kind, and of FLUX (no module that this model has)."""
    sdxl = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k"
    flux = "lora_unet_double_blocks_0_img_attn_qkv"
    for name, module, width in (("sdxl", sdxl, 2048), ("flux", flux, 3072)):
        low_rank = {"lora_down.weight": torch.ones(4, width), "lora_up.weight": torch.ones(640, 4)}
        save_file({f"{module}.{part}": tensor for part, tensor in low_rank.items()}, folder / f"{name}.safetensors")
    # The tiny model's layer of that name has 64 outputs.
    factors = {f"{x}.weight": torch.ones(3, 3) for x in ("a1", "a2", "b1", "b2")}
    for name, parts in {
        "glora": factors,
        "oft": {"oft_blocks": torch.ones(80, 8, 8)},
        "boft": {"oft_blocks": torch.ones(2, 80, 8, 8), "alpha": torch.tensor(1.0)},
        "set": {"set_weight": torch.ones(640, 2048)},
    }.items():
        save_file({f"{sdxl}.{part}": tensor for part, tensor in parts.items()}, folder / f"{name}.safetensors")
    save_file({f"{sdxl}.lora_up.weight": torch.ones(64, 4)}, folder / "half.safetensors")
    ia3 = {"lora_unet_down_blocks_0.weight": torch.ones(64), "lora_unet_down_blocks_0.on_input": torch.ones(1)}
    save_file(ia3, folder / "ia3.safetensors")
    fits = "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
    parts = {"lora_down.weight": torch.ones(4, 64), "lora_up.weight": torch.ones(64, 4), "magnitude": torch.ones(64)}
    tensors = {f"{fits}.{part}": tensor for part, tensor in parts.items()}
    tensors |= {f"{flux}.{part}.weight": torch.ones(4, 4) for part in ("lora_down", "lora_up")}
    save_file(tensors | {"lora_te_text_model_x.alpha": torch.tensor(1.0)}, folder / "part.safetensors")


def write_pictures(folder: Path) -> None:
    """``odd.png``, 92 x 70; ``cut.png``, its first half; a mask of another size; a film with sound alone."""
    Pillow.fromarray(LEVELS).save(folder / "odd.png")
    data = (folder / "odd.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    mask = Pillow.new("L", (50, 30))
    mask.paste(255, (10, 10, 30, 20))
    mask.save(folder / "mask.png")
    with av.open(str(folder / "silent.mp4"), "w") as film:
        sound = film.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        film.mux([*sound.encode(frame), *sound.encode(None)])


def text_to_image(checkpoint: str = "tiny_sd15.safetensors", **latent: Any) -> Graph:
    """A workflow of seven nodes; ``latent`` are changes of node 5's inputs."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red fox", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1} | latent},
        "6": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["5", 0],
                "seed": 1,
                "steps": 2,
                "cfg": 4.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        },
        "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
        "8": {"class_type": "PreviewImage", "inputs": {"images": ["7", 0]}},
    }


def run(engine: Engine, graph: Graph) -> list[tuple[int, int]]:
    """The sizes (width, height) of the pictures that the workflow shows."""
    result = engine.run(Workflow(nodes={node_id: NodeDocument(**entry) for node_id, entry in graph.items()}))
    sizes = []
    for item in (item for output in result.outputs.values() for item in output.shown["images"]):
        with Pillow.open(engine.folders.temp / item.subfolder / item.filename) as picture:
            sizes.append(picture.size)
    return sizes


def notes_of(engine: Engine, graph: Graph) -> list[str]:
    """What the run says that it left out."""
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, NodeNote):
            told.append(event.message)

    engine.run(Workflow(nodes={key: NodeDocument(**entry) for key, entry in graph.items()}), listeners=[listen])
    return told


def load(name: str, node: str = "LoadImage", **inputs: Any) -> dict[str, Any]:
    return {"class_type": node, "inputs": {"image": name} | inputs}


MISFITS = {
    "sdxl": "1 module of another shape here, left out: lora_unet_input_blocks_3_1",
    "flux": "1 module that this model lacks, left out: lora_unet_double_blocks_0_img_attn_qkv",
    "ia3": "2 tensors of kinds that are not applied, left out: lora_unet_down_blocks_0.on_input",
    "half": "_attn2_to_k' lacks its part 'down', and is left out",
} | dict.fromkeys(("glora", "oft", "boft", "set"), "1 module of another shape here, left out: lora_unet_input_blocks_3")


@pytest.mark.parametrize("lora", MISFITS)
@pytest.mark.parametrize("node", ["LoraLoader", "LoraLoaderModelOnly"])
def test_a_lora_that_does_not_fit_changes_nothing_and_is_told(engine: Engine, node: str, lora: str) -> None:
    graph = text_to_image()
    plain = run(engine, graph)
    names = {"lora_name": f"{lora}.safetensors", "strength_model": 1.0}
    names |= {"clip": ["1", 1], "strength_clip": 1.0} if node == "LoraLoader" else {}
    graph["9"] = {"class_type": node, "inputs": {"model": ["1", 0]} | names}
    graph["6"]["inputs"]["model"] = ["9", 0]
    told = notes_of(engine, graph)
    assert run(engine, graph) == plain
    assert any(MISFITS[lora] in note for note in told), told
    assert any("changes nothing" in note for note in told), told


def test_of_a_lora_that_fits_in_part_the_rest_counts(engine: Engine) -> None:
    graph = text_to_image()
    graph["9"] = {
        "class_type": "LoraLoaderModelOnly",
        "inputs": {"model": ["1", 0], "lora_name": "part.safetensors", "strength_model": 1.0},
    }
    graph["6"]["inputs"]["model"] = ["9", 0]
    told = notes_of(engine, graph)
    assert [note.partition(": ")[2] for note in told] == [
        "1 tensor of kinds that are not applied, left out: lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q"
        ".magnitude",
        "1 module that this model lacks, left out: lora_unet_double_blocks_0_img_attn_qkv",
    ]


def test_a_checkpoint_without_text_encoder_or_vae_fails_where_that_is_read(engine: Engine) -> None:
    graph = text_to_image("bare.safetensors")
    with pytest.raises(NodeFailed, match=r"node 2 \(CLIPTextEncode\), input 'clip'.*holds no text encoder") as caught:
        run(engine, graph)
    assert "CLIPLoader" in caught.value.remedy
    encoder = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny_sd15.safetensors"}}
    lora = {"lora_name": "tiny_lora.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    graph["9"] = {"class_type": "LoraLoader", "inputs": {"model": ["1", 0], "clip": ["1", 1]} | lora}
    graph["10"] = encoder
    graph["6"]["inputs"]["model"] = ["9", 0]
    graph["2"]["inputs"]["clip"] = graph["3"]["inputs"]["clip"] = ["10", 1]
    with pytest.raises(NodeFailed, match=r"node 7 \(VAEDecode\), input 'vae'.*holds no VAE") as caught:
        run(engine, graph)
    assert "VAELoader" in caught.value.remedy
    graph["7"]["inputs"]["vae"] = ["10", 2]
    assert run(engine, graph) == [(64, 64)]


def controlled(checkpoint: str, apply: str) -> Graph:
    graph = text_to_image(checkpoint)
    graph["9"] = {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "tiny_controlnet.safetensors"}}
    graph["10"] = load("odd.png")
    shared = {"control_net": ["9", 0], "image": ["10", 0], "strength": 1.0}
    if apply == "ControlNetApply":
        inputs = {"conditioning": ["2", 0]} | shared
    else:
        inputs = {"positive": ["2", 0], "negative": ["3", 0], "start_percent": 0.0, "end_percent": 1.0} | shared
        graph["6"]["inputs"]["negative"] = ["11", 1]
    graph["11"] = {"class_type": apply, "inputs": inputs}
    graph["6"]["inputs"]["positive"] = ["11", 0]
    return graph


@pytest.mark.parametrize("apply", ["ControlNetApply", "ControlNetApplyAdvanced"])
def test_a_controlnet_of_another_family(engine: Engine, apply: str) -> None:
    assert run(engine, controlled("tiny_sd15.safetensors", apply)) == [(64, 64)]
    with pytest.raises(NodeFailed, match=r"node 6 \(KSampler\), input '(positive|negative)'.*ControlNet") as caught:
        run(engine, controlled("tiny_sdxl.safetensors", apply))
    assert "ControlNet" in caught.value.remedy


def test_a_controlnet_that_is_stored_as_a_difference(engine: Engine) -> None:
    graph = controlled("tiny_sd15.safetensors", "ControlNetApply")
    loader = next(entry for entry in graph.values() if entry["class_type"] == "ControlNetLoader")
    loader["inputs"]["control_net_name"] = "difference.safetensors"
    with pytest.raises(NodeFailed, match=r"ControlNetLoader\), input 'control_net_name'") as caught:
        run(engine, graph)
    assert "DiffControlNetLoader" in caught.value.remedy
    loader.update(class_type="DiffControlNetLoader", inputs=loader["inputs"] | {"model": ["1", 0]})
    assert run(engine, graph) == [(64, 64)]


@pytest.mark.parametrize("node", ["SetLatentNoiseMask", "VAEEncodeForInpaint", "InpaintModelConditioning"])
def test_a_mask_of_another_size(engine: Engine, node: str) -> None:
    graph = text_to_image()
    graph["9"] = load("mask.png", "LoadImageMask", channel="red")
    graph["10"] = load("odd.png")
    inputs: dict[str, Any] = {"mask": ["9", 0]}
    place, size = 0, (88, 64)
    if node == "SetLatentNoiseMask":
        inputs |= {"samples": ["5", 0]}
        size = (64, 64)
    else:
        inputs |= {"pixels": ["10", 0], "vae": ["1", 2]}
    if node == "VAEEncodeForInpaint":
        inputs |= {"grow_mask_by": 6}
    if node == "InpaintModelConditioning":
        inputs |= {"positive": ["2", 0], "negative": ["3", 0], "noise_mask": True}
        place = 2
    graph["11"] = {"class_type": node, "inputs": inputs}
    graph["6"]["inputs"]["latent_image"] = ["11", place]
    assert run(engine, graph) == [size]


def test_a_prompt_mask_of_another_size(engine: Engine) -> None:
    graph = text_to_image()
    graph["9"] = load("mask.png", "LoadImageMask", channel="red")
    inputs = {"conditioning": ["2", 0], "mask": ["9", 0], "strength": 1.0, "set_cond_area": "mask bounds"}
    graph["10"] = {"class_type": "ConditioningSetMask", "inputs": inputs}
    graph["6"]["inputs"]["positive"] = ["10", 0]
    assert run(engine, graph) == [(64, 64)]


@pytest.mark.parametrize("checkpoint", ["tiny_sd15.safetensors", "tiny_sdxl.safetensors"])
def test_sizes_that_eight_does_not_divide(engine: Engine, checkpoint: str) -> None:
    """The size is rounded down, also where the latent's sides are odd and the UNet has to halve them."""
    assert run(engine, text_to_image(checkpoint, width=93, height=71)) == [(88, 64)]
    assert run(engine, text_to_image(checkpoint, width=61, height=44)) == [(56, 40)]
    graph = text_to_image(checkpoint)
    graph["9"] = load("odd.png")
    graph["10"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["9", 0], "vae": ["1", 2]}}
    graph["6"]["inputs"]["latent_image"] = ["10", 0]
    assert run(engine, graph) == [(88, 64)]


def problem_of(engine: Engine, graph: Graph) -> str:
    with pytest.raises(GraphInvalid) as caught:
        run(engine, graph)
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


def test_a_batch_of_none(engine: Engine) -> None:
    assert problem_of(engine, text_to_image(batch_size=0)).startswith("node 5 (EmptyLatentImage), input 'batch_size': ")


@pytest.mark.parametrize("strength", [math.nan, "NaN", math.inf])
def test_a_strength_that_is_no_number(engine: Engine, strength: Any) -> None:
    graph = controlled("tiny_sd15.safetensors", "ControlNetApply")
    graph["11"]["inputs"]["strength"] = strength
    text = problem_of(engine, graph)
    assert text.startswith("node 11 (ControlNetApply), input 'strength': ")
    assert "finite" in text


@pytest.mark.parametrize("node", ["LoadImage", "LoadImageMask"])
def test_a_truncated_picture(engine: Engine, node: str) -> None:
    graph: Graph = {"1": load("cut.png", node) if node == "LoadImage" else load("cut.png", node, channel="red")}
    if node == "LoadImage":
        graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    else:
        graph["2"] = {"class_type": "MaskPreview", "inputs": {"mask": ["1", 0]}}
    with pytest.raises(NodeFailed, match=rf"node 1 \({node}\), input 'image': .*'cut.png' is damaged") as caught:
        run(engine, graph)
    assert caught.value.remedy


@pytest.mark.parametrize("kind", ["wide", "cmyk", "sixteen", "palette", "animated", "turned"])
def test_unusual_pictures_load(engine: Engine, kind: str) -> None:
    """What each becomes pixel by pixel is tested where pictures are decoded."""
    grey16 = Pillow.fromarray(np.full((6, 8), 40_000, np.uint16))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    rgb = Pillow.fromarray(LEVELS)
    folder = engine.folders.input
    expected = [rgb.size]
    name = f"{kind}.png"
    match kind:
        case "wide":
            Pillow.new("RGB", (20_000, 2), (9, 9, 9)).save(folder / name)
            expected = [(20_000, 2)]
        case "cmyk":
            name = "cmyk.jpg"
            rgb.convert("CMYK").save(folder / name)
        case "sixteen":
            grey16.save(folder / name)
            expected = [(8, 6)]
        case "palette":
            rgb.convert("P").save(folder / name)
        case "animated":
            name = "animated.gif"
            rgb.save(folder / name, save_all=True, append_images=[Pillow.new("RGB", rgb.size)])
            expected *= 2
        case "turned":
            rgb.save(folder / name, exif=exif)
            expected = [(rgb.height, rgb.width)]
    graph = {"1": load(name), "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    assert run(engine, graph) == expected


def test_a_film_without_frames(engine: Engine) -> None:
    graph: Graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "silent.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    with pytest.raises(NodeFailed, match=r"node 2 \(GetVideoComponents\), input 'video': 'silent.mp4' holds") as caught:
        run(engine, graph)
    assert caught.value.remedy
