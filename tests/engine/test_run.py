"""What a run runs again and what it knows, and what it gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.context import Context
from engine.engine import Engine
from engine.errors import GraphInvalid
from engine.events import Event
from engine.inputs import Hidden
from engine.scratch import scratch_file
from engine.workflow import NodeDocument, Workflow
from tests.engine.toys import add_node, text, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def picture_flow(seed: int = 1, prompt: str = "a cat") -> Workflow:
    """The shape of a text-to-image workflow."""
    return workflow(
        model=("Number", {"value": 7}), positive=("AnyInputs", {"model": ["model", 0], "text": prompt}),
        negative=("AnyInputs", {"model": ["model", 0], "text": "bad"}),
        sample=("AnyInputs", {"m": ["model", 0], "p": ["positive", 0], "n": ["negative", 0], "seed": seed}),
        decode=("AnyInputs", {"latent": ["sample", 0], "m": ["model", 0]}),
        save=("Save", {"value": ["decode", 0], "name": "x"}),
    )  # fmt: skip


def test_only_what_reads_a_change_runs_again(engine: Engine) -> None:
    assert len(engine.run(picture_flow()).executed) == 6
    assert engine.run(picture_flow(seed=2)).executed == ("sample", "decode", "save")
    assert engine.run(picture_flow(seed=2, prompt="a dog")).executed == ("positive", "sample", "decode", "save")
    # Back to what ran before: nothing runs, but the file that the last run replaced is reported as it was.
    assert engine.run(picture_flow()).executed == ()


def test_the_same_again_runs_nothing_and_gives_the_same_outputs_marked_cached(engine: Engine) -> None:
    first, second = engine.run(picture_flow()), engine.run(picture_flow())
    assert second.executed == ()
    assert [o.cached for o in first.outputs.values()] == [False]
    assert [o.cached for o in second.outputs.values()] == [True]
    assert {i: o.shown for i, o in first.outputs.items()} == {i: o.shown for i, o in second.outputs.items()}
    assert list(first.outputs) == list(second.outputs) == ["save"]


def test_an_output_file_that_is_gone_or_another_is_written_again(engine: Engine) -> None:
    engine.run(picture_flow())
    file = engine.folders.output / "x_00001_.txt"
    right = file.read_bytes()
    for spoil in (file.unlink, lambda: file.write_text("another")):
        spoil()
        again = engine.run(picture_flow())
        (saved,) = again.outputs["save"].shown["images"]
        assert again.executed == ()
        assert again.outputs["save"].cached is True
        assert engine.folders.path_of(saved).read_bytes() == right


def test_a_lost_encoding_makes_its_node_run_again(engine: Engine) -> None:
    engine.run(picture_flow())
    for path in scratch_file("").parent.glob("*.txt"):
        path.unlink()
    again = engine.run(picture_flow())
    assert again.executed == ("save",)
    assert again.outputs["save"].cached is False


def test_output_file_and_its_inputs_gone(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=1500)  # room for the last entry or two
    engine.run(picture_flow())
    for path in (engine.folders.output / "x_00001_.txt", *scratch_file("").parent.glob("*.txt")):
        path.unlink()
    again = engine.run(picture_flow())
    assert again.executed[-1] == "save"
    assert (engine.folders.output / "x_00001_.txt").is_file()


def test_without_a_cache_everything_runs_every_time(tmp_path: Path) -> None:
    engine = toy_engine(tmp_path, cache_budget_bytes=0)
    assert engine.run(picture_flow()).executed == engine.run(picture_flow()).executed
    assert len(engine.cache) == 0


def test_a_replaced_file_is_noticed_and_a_touched_one_is_not(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "m"
    file.write_text("one")
    flow = workflow(m=("LoadFile", {"name": "m"}), s=("Show", {"value": ["m", 0]}))
    assert text(engine, flow) == "one"
    file.touch()
    assert engine.run(flow).executed == ()
    file.write_text("two")
    assert text(engine, flow) == "two"


def test_never_cached_nodes_and_fingerprints(engine: Engine) -> None:
    def flow(class_type: str, **inputs: Any) -> Workflow:
        return workflow(
            a=(class_type, {"value": 1, **inputs}), n=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]})
        )

    for once in (flow("Always"), flow("Stamp", mode="nan"), flow("Stamp", mode="raise")):
        assert engine.run(once).executed == engine.run(once).executed == ("a", "s")
        assert engine.run(once).outputs["s"].cached is False
    assert engine.run(flow("Stamp", mode="same")).executed == ("a", "s")
    assert engine.run(flow("Stamp", mode="same")).executed == ()


def test_equal_nodes_run_once(engine: Engine) -> None:
    flow = workflow(
        a=("Number", {"value": 1}), b=("Number", {"value": 1}), s=("Show", {"value": ["a", 0]}),
        t=("Show", {"value": ["b", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert result.executed == ("a", "s")
    assert result.outputs["t"].shown == result.outputs["s"].shown
    assert (result.outputs["s"].cached, result.outputs["t"].cached) == (False, True)


def test_chosen_outputs_only(engine: Engine) -> None:
    flow = workflow(
        a=("Number", {"value": 1}), b=("Number", {"value": 2}), s=("Show", {"value": ["a", 0]}),
        t=("Show", {"value": ["b", 0]}),
    )  # fmt: skip
    assert engine.run(flow, ["t"]).executed == ("b", "t")
    result = engine.run(flow, ["a"])
    assert result.outputs["a"].values == ((1,),)
    assert result.executed == ("a",)


def test_a_cached_value_does_not_depend_on_the_node_that_made_it(engine: Engine) -> None:
    engine.run(workflow(a=("Add", {"a": 1, "b": 2}), s=("Show", {"value": ["a", 0]})))
    other = workflow(z=("Add", {"b": 2, "a": "1"}), y=("Add", {"a": ["z", 0], "b": 1}), x=("Show", {"value": ["y", 0]}))
    assert engine.run(other).executed == ("y", "x")


def test_problems_are_raised_before_anything_runs(engine: Engine) -> None:
    events: list[Event] = []
    with pytest.raises(GraphInvalid) as caught:
        engine.run(
            workflow(a=("Number", {"value": "x"}), s=("Show", {"value": ["a", 0]}), t=("Show", {})),
            listeners=[events.append],
        )
    assert len(caught.value.problems) == 2
    assert events == []


def test_hidden_inputs_are_filled(engine: Engine) -> None:
    seen: dict[str, Any] = {}

    def look(
        ctx: Context,
        *,
        prompt: Annotated[Any, Hidden("PROMPT")] = None,
        extra: Annotated[Any, Hidden("EXTRA_PNGINFO")] = None,
    ) -> None:
        seen.update(prompt=prompt, extra=extra, node=(ctx.node_id, ctx.class_type))

    add_node(engine, look, "Look", output_node=True)
    nodes = {"5": NodeDocument(class_type="Look", inputs={}, title="Eyes")}
    engine.run(Workflow(nodes=nodes, extra_pnginfo={"workflow": {"nodes": []}}))
    assert seen == {
        "prompt": {"5": {"inputs": {}, "class_type": "Look", "_meta": {"title": "Eyes"}}},
        "extra": {"workflow": {"nodes": []}},
        "node": ("5", "Look"),
    }


def test_what_asks_for_the_request_is_cached_for_that_request_alone(engine: Engine) -> None:
    def tell(ctx: Context, *, prompt: Annotated[Any, Hidden("PROMPT")] = None) -> str:
        return str(sorted(prompt))

    add_node(engine, tell, "Tell")
    flow = {"t": ("Tell", {}), "s": ("Show", {"value": ["t", 0]})}
    first = text(engine, workflow(**flow, mine=("Number", {"value": 1})))
    assert text(engine, workflow(**flow, yours=("Number", {"value": 1}))) != first
    assert text(engine, workflow(**flow, mine=("Number", {"value": 1}))) == first
    assert engine.run(workflow(**flow, mine=("Number", {"value": 1}))).executed == ()


def test_nothing_records_gradients(engine: Engine) -> None:
    import torch

    def grad(ctx: Context) -> bool:
        return torch.is_grad_enabled()

    add_node(engine, grad, "Grad")
    assert engine.run(workflow(g=("Grad",)), ["g"]).outputs["g"].values == ((False,),)
    assert torch.is_grad_enabled()
