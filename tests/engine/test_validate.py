"""All problems of a workflow at once, with ComfyUI's codes, the node, the input and a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import Context
from engine.document import read_workflow
from engine.engine import Engine
from engine.inputs import Float
from engine.validate import MAX_CYCLES, dependent_outputs
from engine.workflow import NodeDocument, Workflow
from tests.engine.convert.drawing import Drawing
from tests.engine.toys import add_node, chain, codes, one, toy_engine, workflow


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return toy_engine(tmp_path)


def test_sound_workflow_has_no_problems(engine: Engine) -> None:
    checked = engine.inspect(chain(5))
    assert checked.problems == ()
    assert checked.outputs == ("4",)
    assert list(checked.nodes) == ["0", "1", "2", "3", "4"]


def test_all_problems_at_once_in_the_documents_order(engine: Engine) -> None:
    flow = workflow(
        show=("Show", {"value": ["sum", 0]}),
        sum=("Add", {"a": "x", "b": 2_000_000}),
        list=("Total", {"values": ["nowhere", 0]}),
        load=("LoadFile", {"name": "model.safetensors"}),
        show2=("Show", {"value": ["load", 3]}),
        show3=("Show", {"value": ["list", 0]}),
        show4=("Show", {}),
    )
    assert codes(engine.check(flow)) == [
        ("sum", "invalid_input_type", "a"),
        ("sum", "value_bigger_than_max", "b"),
        ("list", "bad_linked_input", "values"),
        ("load", "value_not_in_list", "name"),
        ("show2", "bad_linked_input", "value"),
        ("show4", "required_input_missing", "value"),
    ]
    assert engine.inspect(flow).outputs == ()


def test_every_problem_says_where_and_what_to_do(engine: Engine) -> None:
    problem = one(engine, workflow(a=("Number", {"value": "x"}), s=("Show", {"value": ["a", 0]})))
    assert problem.class_type == "Number"
    assert "node a (Number), input 'value'" in str(problem)


def test_required_values_that_are_left_out_have_their_defaults_and_are_told(engine: Engine) -> None:
    flow = workflow(n=("Number", {}), s=("Show", {"value": ["n", 0]}))
    checked = engine.inspect(flow)
    assert checked.problems == ()
    assert [str(note) for note in checked.notes] == [
        "node n (Number): 'value' is not in the workflow, so it has its default, 0"
    ]
    assert engine.run(flow).outputs["s"].shown["text"] == ("0",)
    given = workflow(n=("Number", {"value": 0}), s=("Show", {"value": ["n", 0]}))
    assert engine.inspect(given).notes == ()
    assert engine.run(given).outputs["s"].cached  # a default is the value itself


def test_optional_inputs_may_be_left_out_or_null(engine: Engine) -> None:
    flow = workflow(
        a=("AddOptional", {"a": 1}), b=("AddOptional", {"a": 1, "b": None}), s=("Show", {"value": ["a", 0]}),
        s2=("Show", {"value": ["b", 0]}),
    )  # fmt: skip
    result = engine.run(flow)
    assert [r.shown["text"] for r in result.outputs.values()] == [("6",), ("6",)]


def test_unknown_inputs_are_ignored_with_all_that_they_link_to(engine: Engine) -> None:
    flow = workflow(
        bad=("Number", {"value": "x"}), n=("Number", {"value": 1, "control": "fixed", "junk": ["bad", 0], "me": [1]}),
        s=("Show", {"value": ["n", 0]}),
    )  # fmt: skip
    assert engine.check(flow) == ()
    assert engine.run(flow).executed == ("n", "s")


def test_hidden_inputs_cannot_be_given(engine: Engine) -> None:
    flow = workflow(w=("WhoAmI", {"me": "somebody"}), s=("Show", {"value": ["w", 0]}))
    assert engine.run(flow).outputs["s"].shown["text"] == ("w",)


def test_classes_that_take_any_input(engine: Engine) -> None:
    flow = workflow(
        n=("Number", {"value": 1}), a=("AnyInputs", {"z": ["n", 0], "b": "x"}), s=("Show", {"value": ["a", 0]})
    )
    assert engine.run(flow).outputs["s"].shown["text"] == ("b=x,z=1",)
    broken = workflow(a=("AnyInputs", {"z": ["n", 0]}), s=("Show", {"value": ["a", 0]}))
    assert codes(engine.check(broken)) == [("a", "bad_linked_input", "z")]


def test_unknown_class_names_the_nearest_and_the_pack(engine: Engine) -> None:
    problem = one(engine, workflow(a=("Numbr", {}), s=("Show", {"value": ["a", 0]})))
    assert (problem.node_id, problem.code) == ("a", "missing_node_type")
    assert "'Number'" in problem.remedy
    problem = one(engine, workflow(a=("VHS_VideoCombine", {})))
    assert "ComfyUI-VideoHelperSuite" in problem.remedy
    assert "one of ComfyUI's own" in one(engine, workflow(a=("CLIPVisionLoader", {}))).remedy


def test_unknown_class_comes_from_the_pack_that_the_file_names(engine: Engine) -> None:
    drawing = Drawing()
    drawing.add(1, "Mystery", inputs="a:INT", properties={"cnr_id": "somebodys-pack"})
    drawing.add(2, "Riddle", inputs="a:INT", properties={"aux_id": "somebody/riddles"})
    drawing.add(3, "Fresh thing", inputs="a:INT", properties={"cnr_id": "comfy-core"})
    flow = read_workflow(drawing.as_file(), engine.registry)
    remedies = [problem.remedy for problem in engine.check(flow)]
    told = "it comes from the community pack {}; put that into a folder that --packs names"
    assert remedies[:2] == [told.format("somebodys-pack"), told.format("somebody/riddles")]
    assert "one of ComfyUI's own" in remedies[2]


def test_unknown_class_counts_wherever_it_stands_and_what_it_reads_is_looked_at(engine: Engine) -> None:
    flow = workflow(
        n=("Number", {"value": "x"}), mystery=("Mystery", {"in": ["n", 0], "gone": ["nothing", 0]}),
        s=("Show", {"value": 1}),
    )  # fmt: skip
    checked = engine.inspect(flow)
    assert codes(checked.problems) == [("n", "invalid_input_type", "value"), ("mystery", "missing_node_type", None)]
    assert checked.outputs == ("s",)


def test_node_without_class(engine: Engine) -> None:
    problem = one(engine, workflow(a=("", {}), s=("Show", {"value": 1})))
    assert (problem.node_id, problem.code) == ("a", "invalid_prompt")


def test_cycle_is_one_problem_that_names_its_members(engine: Engine) -> None:
    flow = workflow(
        a=("Add", {"a": ["c", 0], "b": 1}), b=("Add", {"a": ["a", 0], "b": 1}), c=("Add", {"a": ["b", 0], "b": 1}),
        s=("Show", {"value": ["c", 0]}), s2=("Show", {"value": 1}),
    )  # fmt: skip
    checked = engine.inspect(flow)
    assert codes(checked.problems) == [("c", "dependency_cycle", "a")]
    assert "c -> b -> a -> c" in checked.problems[0].message
    assert checked.outputs == ("s2",)
    assert set(checked.nodes) == {"s2"}


def test_node_that_reads_itself(engine: Engine) -> None:
    problem = one(engine, workflow(a=("Add", {"a": ["a", 0], "b": ["a", 0]}), s=("Show", {"value": ["a", 0]})))
    assert (problem.code, problem.input) == ("dependency_cycle", "a")


def test_very_many_cycles_take_no_long(engine: Engine) -> None:
    length = 20_000
    nodes = {
        str(i): NodeDocument(class_type="Add", inputs={"a": [str(i + 1), 0], "b": [str(i // 2), 0]})
        for i in range(length)
    }
    nodes[str(length)] = NodeDocument(class_type="Add", inputs={"a": ["0", 0], "b": 0})
    nodes["s"] = NodeDocument(class_type="Show", inputs={"value": ["0", 0]})
    problems = engine.check(Workflow(nodes=nodes))
    assert [p.code for p in problems] == ["dependency_cycle"] * MAX_CYCLES


def test_no_outputs(engine: Engine) -> None:
    assert one(engine, workflow(n=("Number", {"value": 1}))).code == "prompt_no_outputs"
    assert one(engine, Workflow(nodes={})).code == "prompt_no_outputs"
    assert [p.code for p in engine.check(chain(3), [])] == ["prompt_no_outputs"]


def test_only_what_the_wanted_outputs_need_is_checked(engine: Engine) -> None:
    flow = workflow(
        n=("Number", {"value": 1}), loose=("Number", {"value": "x"}), s=("Show", {"value": ["n", 0]}),
        s2=("Show", {"value": ["loose", 0]}), unknown=("Mystery", {}),
    )  # fmt: skip
    assert engine.check(flow, ["s"]) == ()
    assert engine.check(flow, ["n"]) == ()
    assert codes(engine.check(flow, ["s2"])) == [("loose", "invalid_input_type", "value")]
    checked = engine.inspect(flow)
    assert checked.outputs == ("s",)
    assert dependent_outputs(checked, ["s", "s2"]) == {"loose": ["s2"], "unknown": []}


def test_wanted_node_that_is_not_there(engine: Engine) -> None:
    problems = engine.check(chain(3), ["2", "22"])
    assert [(p.code, p.node_id) for p in problems] == [("prompt_no_outputs", None)]
    assert "'22'" in problems[0].message


def test_own_validation(engine: Engine) -> None:
    def flow(**inputs: Any) -> Workflow:
        return workflow(n=("Number", {"value": 9}), c=("Checked", inputs), s=("Show", {"value": ["c", 0]}))

    assert engine.check(flow(size=16, scale=1)) == ()
    problem = one(engine, flow(size=9, scale=1))
    assert (problem.code, problem.message) == ("custom_validation_failed", "9 is not in eights")
    # It decides about the inputs that it names, also beyond their range, but not about others.
    assert one(engine, flow(size=99, scale=1)).message == "99 is not in eights"
    assert engine.check(flow(size=96, scale=1)) == ()
    assert one(engine, flow(size="x", scale=1)).code == "invalid_input_type"
    # What is linked is not known, so that its function gets None.
    assert one(engine, flow(size=["n", 0], scale=1)).code == "exception_during_validation"


def test_a_check_may_take_all_inputs_and_the_types_of_what_is_linked(engine: Engine) -> None:
    def whole(ctx: Context, *, input_types: dict[str, str], **others: Any) -> str | None:
        return None if set(input_types.values()) <= {"INT"} else f"{others['ratio']}, linked to {input_types}"

    def judged(ctx: Context, *, ratio: Annotated[float, Float(max=1.0)], text: str) -> float:
        return ratio

    add_node(engine, judged, "Judged", validate=whole)

    def flow(source: str, ratio: float) -> Workflow:
        judged = ("Judged", {"ratio": ratio, "text": ["source", 0]})
        return workflow(source=(source, {}), j=judged, s=("Show", {"value": ["j", 0]}))

    # Beyond the range, and linked to another type: the class says that both are right.
    assert engine.check(flow("Number", 5)) == ()
    assert one(engine, flow("MakePicture", 5)).message == "5.0, linked to {'text': 'IMAGE'}"


def test_files(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "sd15.safetensors").write_text("a")
    (tmp_path / "input" / "cat.png").write_text("cat")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "dog.png").write_text("dog")

    def show(class_type: str, **inputs: Any) -> Workflow:
        return workflow(a=(class_type, inputs), s=("Show", {"value": ["a", 0]}))

    def shown(class_type: str, **inputs: Any) -> str:
        text: str = engine.run(show(class_type, **inputs)).outputs["s"].shown["text"][0]
        return text

    assert shown("LoadFile", name="sd15.safetensors") == "a"
    assert shown("LoadFile", name="none") == "nothing"
    assert shown("LoadPicture", image="cat.png") == "cat"
    assert shown("LoadPicture", image="dog.png [output]") == "dog"
    assert shown("LoadPicture", image="data:image/png;base64,AAAA") == "data:image"
    for class_type, inputs, remedy in [
        ("LoadFile", {"name": "sd51.safetensors"}, "did you mean 'sd15.safetensors'?"),
        ("LoadFile", {"name": "../checkpoints/sd15.safetensors"}, ""),
        ("LoadFile", {"name": "data:image/png;base64,AAAA"}, ""),
        ("LoadFile", {"name": 7}, ""),
        ("LoadFile", {"name": None}, ""),
        ("LoadPicture", {"image": "cta.png"}, "did you mean 'cat.png'?"),
        ("LoadPicture", {"image": "data:nothing"}, "data:image/png;base64"),
    ]:
        problem = one(engine, show(class_type, **inputs))
        assert problem.code == "value_not_in_list"
        assert remedy in problem.remedy


def test_long_chains_need_no_recursion(engine: Engine) -> None:
    assert engine.check(chain(20_000)) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["a", "b", "c", "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "__value__"]), inner, max_size=2),
    max_leaves=6,
)
links = st.tuples(st.sampled_from("abcd"), st.integers(0, 2)).map(list)
nodes = st.builds(
    NodeDocument,
    class_type=st.sampled_from(
        ["Number", "Add", "Show", "Total", "Words", "Switch", "Mixed", "Mystery", "LoadFile", ""]
    ),
    inputs=st.dictionaries(
        st.sampled_from(["value", "a", "b", "values", "on", "yes", "no", "text", "either", "name", "zzz"]),
        json_values | links,
        max_size=5,
    ),
)


@given(st.dictionaries(st.sampled_from("abcd"), nodes, max_size=4))
def test_any_document_gives_problems_or_a_dag(documents: dict[str, NodeDocument]) -> None:
    engine = toy_engine(Path("/nonexistent"), make_folders=False)
    checked = engine.inspect(Workflow(nodes=documents))
    assert checked.outputs or checked.problems
    seen: set[str] = set()
    for node_id, node in checked.nodes.items():
        assert {link.node_id for link in node.links.values()} <= seen
        seen.add(node_id)
    assert set(checked.outputs) <= seen
    assert seen.isdisjoint(p.node_id for p in checked.problems)
