"""A function's signature is its schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest

from engine.inputs import Anything, Choice, FileChoice, Hidden, Int, Pixels, Prompt, Seed, Text
from engine.registry import Registry, node
from engine.schema import NO_DEFAULT, NodeSpec, input_spec
from engine.types import Blocked, Expansion, Image, Mask


@dataclass(frozen=True)
class Latent:
    wire: ClassVar[str] = "LATENT"
    samples: Any = None


class Pair(NamedTuple):
    picture: Image
    area: Mask


def many(
    ctx: Any,
    *,
    latent: Latent,
    seed: Seed = 0,
    width: Pixels = 512,
    mode: Annotated[str, Choice("fast", "slow")],
    text: Prompt,
    mask: Mask | None = None,
    extra: Annotated[int, Int(min=1, max=3, optional=True)] = 2,
    anything: Anything,
    file: Annotated[str, FileChoice("loras")],
    prompt: Annotated[Any, Hidden("PROMPT")] = None,
) -> Pair:
    """Several inputs of every kind."""
    return Pair(Image(latent.samples), Mask(latent.samples))


SPEC = NodeSpec(name="Many", run=many, category="test")


def test_required_inputs_come_first_then_optional_then_hidden() -> None:
    assert list(SPEC.inputs) == [
        "latent", "seed", "width", "mode", "text", "anything", "file", "mask", "extra", "prompt",
    ]  # fmt: skip
    assert [s.required for s in SPEC.inputs.values()] == [True] * 7 + [False] * 2 + [True]


@pytest.mark.parametrize(
    ("name", "wire", "default"),
    [
        ("latent", "LATENT", NO_DEFAULT),
        ("seed", "INT", 0),
        ("width", "INT", 512),
        ("mode", "COMBO", "fast"),
        ("text", "STRING", NO_DEFAULT),
        ("mask", "MASK", None),
        ("anything", "*", NO_DEFAULT),
        ("file", "COMBO", NO_DEFAULT),
        ("prompt", "PROMPT", None),
    ],
)
def test_wire_types_and_defaults(name: str, wire: str, default: Any) -> None:
    assert (SPEC.inputs[name].wire, SPEC.inputs[name].default) == (wire, default)


def test_only_typed_in_values_are_widgets() -> None:
    assert [n for n, s in SPEC.inputs.items() if s.is_widget] == ["seed", "width", "mode", "text", "file", "extra"]


def test_a_named_tuple_gives_several_outputs() -> None:
    assert [(o.name, o.wire) for o in SPEC.outputs] == [("picture", "IMAGE"), ("area", "MASK")]


def test_expansion_and_blocked_are_no_outputs_of_their_own() -> None:
    def maybe(ctx: Any) -> Image | Expansion | Blocked: ...  # type: ignore[empty-body]

    def maybe_both(ctx: Any) -> Pair | Expansion: ...  # type: ignore[empty-body]

    assert [o.wire for o in NodeSpec(name="Maybe", run=maybe, category="t").outputs] == ["IMAGE"]
    assert [o.wire for o in NodeSpec(name="Both", run=maybe_both, category="t").outputs] == ["IMAGE", "MASK"]


def test_a_type_without_a_wire_name_is_refused_with_the_parameter_name() -> None:
    with pytest.raises(TypeError, match="parameter 'x'"):
        input_spec("x", bytes)
    with pytest.raises(TypeError, match=r"parameter 'x': Int\(\) describes one of int, .* not int \| None"):
        input_spec("x", Annotated[int | None, Int()])


def test_the_decorator_returns_the_function_and_an_alias_shares_it() -> None:
    @node("First", category="test")
    @node("Second", category="test", deprecated=True)
    def twice(ctx: Any, *, text: Annotated[str, Text()] = "") -> Annotated[str, Text()]:
        """Text twice."""
        return text * 2

    assert twice(None, text="ab") == "abab"
    module = type(pytest)("declared_here")
    twice.__module__ = "declared_here"
    module.twice = twice  # type: ignore[attr-defined]
    registry = Registry()
    assert registry.add_module(module) == 2
    assert set(registry) == {"First", "Second"}
    assert registry["Second"].deprecated
    assert registry["First"].description == "Text twice."
    assert registry.origin("First") == "declared_here"
