"""Packs' classes run: values arrive as ComfyUI hands them over, and come back as ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.engine import Engine
from engine.errors import GraphInvalid, NodeFailed
from engine.folders import Folders
from engine.result import RunResult
from engine.types import Image, SavedFile
from nodes.packs import running
from nodes.values import Conditioning, Latent
from tests.engine.toys import workflow

Run = Callable[..., RunResult]
PICTURE = ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": 0xFF8000})
INVERT = {"image": ["picture", 0], "factor": 1.0, "size": 8, "mode": "plain", "count": 4}


def of(result: RunResult, node: str, slot: int = 0) -> Any:
    (value,) = result.outputs[node].values[slot]
    return value


def test_a_picture_comes_and_goes(run: Run) -> None:
    made = run("invert", picture=PICTURE, invert=("Plain Invert", INVERT))
    picture = of(made, "invert")
    assert isinstance(picture, Image)
    assert picture.pixels[0, 0, 0].tolist() == pytest.approx([0.0, 1 - 128 / 255, 1.0])
    assert of(made, "invert", 1) == "not given invert True cpu 4"
    assert of(made, "invert", 2) == 8


def test_what_a_pack_writes_into_is_its_own_copy(run: Run) -> None:
    inverted = ("Plain Invert", {**INVERT, "mode": "in place"})
    joined = ("ImageBatch", {"image1": ["picture", 0], "image2": ["invert", 0]})
    made = run("both", picture=PICTURE, invert=inverted, both=joined)
    first, second = of(made, "both").pixels
    assert torch.allclose(first, 1 - second)


def test_choices_that_are_numbers_are_checked(run: Run) -> None:
    with pytest.raises(GraphInvalid, match="3 is not among the choices"):
        run("invert", picture=PICTURE, invert=("Plain Invert", {**INVERT, "count": 3}))


def test_sampling_by_a_pack_is_sampling_by_our_own_nodes(run: Run) -> None:
    load = ("CheckpointLoaderSimple", {"ckpt_name": "tiny_sd15.safetensors"})
    theirs = {"model": ["load", 0], "clip": ["load", 1], "vae": ["load", 2], "text": "a (red:1.3) house"}
    settings = {"seed": 7, "sampler_name": "euler_ancestral", "scheduler": "karras"}
    made = run("pack", load=load, pack=("Plain Sampled", {**theirs, **settings}))
    ours = run(
        "decode",
        load=load,
        positive=("CLIPTextEncode", {"clip": ["load", 1], "text": "a (red:1.3) house"}),
        negative=("CLIPTextEncode", {"clip": ["load", 1], "text": "blurry"}),
        latent=("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        sample=(
            "KSampler",
            {
                **settings, "model": ["load", 0], "positive": ["positive", 0], "negative": ["negative", 0],
                "latent_image": ["latent", 0], "steps": 2, "cfg": 5.0, "denoise": 1.0,
            },
        ),
        decode=("VAEDecode", {"samples": ["sample", 0], "vae": ["load", 2]}),
    )  # fmt: skip
    assert torch.equal(of(made, "pack", 1).pixels, of(ours, "decode").pixels)
    assert isinstance(of(made, "pack", 2), Conditioning)
    assert of(made, "pack", 3).samples.shape == (1, 4, 8, 8)


def test_a_class_over_saveimage_puts_its_files_where_ours_go(run: Run, folders: Folders) -> None:
    saved = ("Plain Kept", {"images": ["picture", 0], "filename_prefix": "deep/p"})
    for number in (1, 2):
        (file,) = run("save", picture=PICTURE, save=saved).outputs["save"].shown["images"]
        assert isinstance(file, SavedFile)
        assert (file.filename, file.subfolder) == (f"p_kept_{number:05}_.png", "deep")
        assert file.size_bytes == folders.path_of(file).stat().st_size > 0


def test_a_prefix_cannot_leave_the_output_folder(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NodeFailed, match="leads out of the output folder"):
        run("save", picture=PICTURE, save=("Plain Kept", {"images": ["picture", 0], "filename_prefix": "../p"}))
    assert not list(tmp_path.glob("*.png"))


def test_what_it_shows_is_shown_and_handed_on(run: Run) -> None:
    made = run("two", one=("Plain Shown", {"text": ["said", 0]}), said=("PrimitiveString", {"value": "hey"}),
               two=("Plain Shown", {"text": ["one", 0]}))  # fmt: skip
    assert made.outputs["two"].shown["text"] == ("HEY",)
    assert of(made, "two") == "HEY"


def test_a_graph_that_it_stands_for_is_run(run: Run) -> None:
    made = run("twice", picture=PICTURE, twice=("Plain Expanded", {"image": ["picture", 0]}))
    assert of(made, "twice").pixels[0, 0, 0].tolist() == pytest.approx([1.0, 128 / 255, 0.0])


def test_only_the_branch_that_it_asks_for_runs(run: Run) -> None:
    branch = ("Plain Lazy", {"first": False, "a": ["never", 0], "b": ["said", 0]})
    made = run("lazy", never=("Plain Inside", {}), said=("PrimitiveString", {"value": "b"}), lazy=branch)
    assert of(made, "lazy") == "b"
    assert "never" not in made.executed


def test_a_closed_way_blocks_what_follows(run: Run) -> None:
    blocked = ("Plain Blocker", {"value": ["picture", 0], "open": False})
    made = run("save", picture=PICTURE, gate=blocked, save=("PreviewImage", {"images": ["gate", 0]}))
    assert made.outputs["save"].blocked == "closed"


def test_lists_go_in_and_out_whole(run: Run) -> None:
    said = ("PrimitiveString", {"value": "a"})
    made = run(
        "two", said=said, one=("Plain Listed", {"texts": ["said", 0]}), two=("Plain Listed", {"texts": ["one", 0]})
    )
    assert made.outputs["two"].values[0] == ("a", "last", "last")


def test_inputs_of_any_name_arrive(run: Run) -> None:
    given = {"b": 2, "lora_1": {"on": True, "lora": "x"}, "a": ["said", 0]}
    made = run("many", said=("PrimitiveString", {"value": "linked"}), many=("Plain Many", given))
    assert of(made, "many") == "a=linked,b=2,lora_1=True"


def test_files_are_found_and_read(run: Run) -> None:
    assert of(run("file", file=("Plain File", {"name": "none"})), "file") == "no file"
    assert of(run("file", file=("Plain File", {"name": "tiny_lora.safetensors"})), "file").endswith(" tensors")
    with pytest.raises(GraphInvalid, match="is not among the loras"):
        run("file", file=("Plain File", {"name": "other.safetensors"}))


def test_it_runs_again_when_it_says_that_it_has_changed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "watched"
    file.touch()

    def count(name: str) -> Any:
        return of(run("count", count=("Plain Counted", {"name": name})), "count")

    first = count(str(file))
    assert count(str(file)) == first
    assert count("not there") == first + 1
    assert count("not there") == first + 2
    with pytest.raises(GraphInvalid, match="a name is needed"):
        count("")


def test_an_output_that_it_does_not_return_is_missed_by_who_reads_it(run: Run) -> None:
    assert of(run("short", short=("Plain Short", {})), "short") == 1
    with pytest.raises(NodeFailed, match="class 'Plain Short' of pack 'plain' declares this output"):
        run("told", short=("Plain Short", {}), told=("PrimitiveInt", {"value": ["short", 1]}))


def test_what_is_not_here_is_named_when_it_is_called(run: Run) -> None:
    with pytest.raises(
        NodeFailed, match=r"calls comfy\.ldm\.modules.attention\.optimized_attention, which is not here"
    ):
        run("inside", inside=("Plain Inside", {}))


def test_asynchronous_classes_run_at_a_time(run: Run, folders: Folders) -> None:
    both = {"string_a": ["one", 0], "string_b": ["two", 0], "delimiter": "|"}
    made = run(
        "both",
        one=("Plain Waits", {"text": "a"}),
        two=("Plain Waits", {"text": "b"}),
        both=("StringConcatenate", both),
    )
    assert of(made, "both") == f"aa{folders.output}|bb{folders.output}"


def test_a_latents_other_keys_go_with_it(run: Run) -> None:
    latent = ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 2})
    chosen = ("LatentFromBatch", {"samples": ["latent", 0], "batch_index": 1, "length": 1})
    made = of(run("twice", latent=latent, one=chosen, twice=("Plain Doubled", {"latent": ["one", 0]})), "twice")
    assert isinstance(made, Latent)
    assert (made.samples.shape, made.batch_index) == ((1, 4, 8, 8), (1,))


def test_a_schemas_class_runs(run: Run) -> None:
    graded = {"image": ["picture", 0], "gain": 3.0, "mode": "red", "limit": "clip", "limit.top": 0.75}
    made = run("graded", picture=PICTURE, graded=("Schema Graded", graded))
    assert of(made, "graded").pixels[0, 0, 0].tolist() == [0.75, 0.75, 0.0]
    assert of(made, "graded", 1) == "red graded"
    with pytest.raises(GraphInvalid, match="too bright"):
        run("graded", picture=PICTURE, graded=("Schema Graded", {**graded, "gain": 4.0}))


def test_a_group_of_inputs_grows(run: Run) -> None:
    joined = {"images.image0": ["picture", 0], "images.image1": ["picture", 0], "images.image2": ["picture", 0]}
    made = run("joined", picture=PICTURE, joined=("Schema Joined", joined))
    assert of(made, "joined").pixels.shape == (3, 8, 8, 3)


def test_a_schemas_previews_are_files(run: Run, folders: Folders) -> None:
    made = run("seen", picture=PICTURE, seen=("Schema Seen", {"image": ["picture", 0]}))
    (file,) = made.outputs["seen"].shown["images"]
    assert file.folder == "temp"
    assert folders.path_of(file).is_file()


def test_a_lora_by_a_pack_is_our_own(run: Run) -> None:
    load = ("CheckpointLoaderSimple", {"ckpt_name": "tiny_sd15.safetensors"})
    lora = {"model": ["load", 0], "lora_name": "tiny_lora.safetensors", "strength_model": 0.8}
    settings = {
        "positive": ["text", 0], "negative": ["text", 0], "latent_image": ["latent", 0], "seed": 3, "steps": 1,
        "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
    }  # fmt: skip
    shared = {
        "load": load,
        "text": ("CLIPTextEncode", {"clip": ["load", 1], "text": "x"}),
        "latent": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
    }

    def drawn(model: Any, node: Any) -> Any:
        return of(
            run("sample", **shared, lora=node, sample=("KSampler", {"model": model, **settings})), "sample"
        ).samples

    theirs = drawn(["lora", 0], ("Plain Lora", {"model": ["load", 0], "name": "tiny_lora.safetensors"}))
    ours = drawn(["lora", 0], ("LoraLoaderModelOnly", lora))
    assert torch.equal(theirs, ours)
    assert not torch.equal(theirs, drawn(["load", 0], ("PrimitiveInt", {"value": 1})))


def test_each_tenant_has_its_own_folders_whoever_came_first(engine: Engine, folders: Folders) -> None:
    told = {}
    for name in ("first", "second"):
        own = folders.of(name)
        own.output.mkdir(parents=True, exist_ok=True)
        result = engine.run(workflow(told=("Plain Threads", {})), ["told"], folders=own)
        at_import, inside, in_a_thread = (of(result, "told", slot) for slot in range(3))
        assert (inside, in_a_thread) == (str(own.output), str(own.output))
        told[name] = at_import
    assert told["first"] == told["second"]
    assert not told["first"].startswith(str(folders.output / "first"))


def test_a_list_of_the_input_folder_takes_its_files(run: Run, folders: Folders) -> None:
    (folders.input / "later.png").touch()
    assert of(run("file", file=("Plain Listing", {"image": "later.png"})), "file") == str(folders.input / "later.png")
    with pytest.raises(GraphInvalid, match=r"'gone\.png' is not in the input folder"):
        run("file", file=("Plain Listing", {"image": "gone.png"}))


def test_processes_that_compute_nothing_leave_a_packs_own_checks_to_those_that_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnamed = workflow(count=("Plain Counted", {"name": ""}))
    assert [one.message for one in engine.check(unnamed, ["count"])] == ["a name is needed"]
    monkeypatch.setattr(running._host, "computes", False)
    assert engine.check(unnamed, ["count"]) == ()


def test_our_own_package_stays_as_it_is(engine: Engine) -> None:
    import nodes

    engine.run(workflow(invert=("Plain Invert", INVERT), picture=PICTURE), ["invert"])
    assert not hasattr(nodes, "MAX_RESOLUTION")


def test_a_class_checks_ranges_and_what_is_linked_to_it_and_takes_what_it_did_not_declare(run: Run) -> None:
    number = ("PrimitiveInt", {"value": 4})
    given = {"first": 2, "second": ["number", 0], "loud": True, "third": ["number", 0]}
    made = run("judged", number=number, judged=("Plain Judged", given))
    assert of(made, "judged") == "2.0 4 [('THIRD', 4)]"
    for wrong, told in (({"first": 7}, "no sevens"), ({"second": ["picture", 0]}, "not numbers: .*IMAGE")):
        with pytest.raises(GraphInvalid, match=told):
            run("judged", number=number, picture=PICTURE, judged=("Plain Judged", {**given, **wrong}))
