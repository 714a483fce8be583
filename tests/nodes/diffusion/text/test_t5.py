"""T5 encoders: against transformers' own class, and what weights, padding and embeddings do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import T5Config, T5EncoderModel

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from engine.weights import Weights
from nodes.diffusion.text.lengths import Length, padding_options
from nodes.diffusion.text.t5 import encode_t5, load, tokenize_t5
from nodes.diffusion.text.t5_tokenizer import END, PAD, t5_token_ids
from nodes.diffusion.weights import WeightFile

WIDTH = 16
PLAIN = Length(1)


@pytest.fixture(scope="module")
def oracle() -> T5EncoderModel:
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=32128, d_model=WIDTH, d_kv=8, d_ff=24, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config).eval()


@pytest.fixture(scope="module")
def weights(oracle: T5EncoderModel, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    path = tmp_path_factory.mktemp("t5") / "t5xxl.safetensors"
    tensors = {name: tensor for name, tensor in oracle.state_dict().items() if name != "encoder.embed_tokens.weight"}
    save_file(tensors, path)
    return load(WeightFile(path).view(""))


def encoded(weights: Weights, prompt: str, length: Length = PLAIN, folders: tuple[Path, ...] = ()) -> Tensor:
    with ModelStore("cpu").lease(weights) as module:
        return encode_t5(module, tokenize_t5(prompt, length, WIDTH, folders), length)


def hidden(oracle: T5EncoderModel, ids: list[int]) -> Tensor:
    with torch.no_grad():
        return oracle(input_ids=torch.tensor([ids])).last_hidden_state


def test_the_encoder_is_transformers(weights: Weights, oracle: T5EncoderModel) -> None:
    ids = [*t5_token_ids("a red fox"), END]
    assert torch.allclose(encoded(weights, "a red fox"), hidden(oracle, ids), atol=1e-6)


@pytest.mark.parametrize(
    ("length", "pads"), [(Length(1), 0), (Length(9), 3), (Length(0, 1), 1), (Length(3, 2), 2), (Length(9, 5), 5)]
)
def test_rows_are_padded_to_a_length_or_by_an_amount(length: Length, pads: int) -> None:
    row = tokenize_t5("a red fox", length, WIDTH)
    assert row.tokens == (*t5_token_ids("a red fox"), END, *[PAD] * pads)


def test_a_node_may_say_the_length() -> None:
    assert Length(256, 0, False).given(padding_options(3, 1)) == Length(3, 1, False)
    assert Length(256).given({}) == Length(256)


@pytest.mark.parametrize(("layer", "blocks"), [(-1, 2), (-2, 1), (-24, 2)])
def test_another_layer_has_the_last_norm_too(weights: Weights, oracle: T5EncoderModel, layer: int, blocks: int) -> None:
    ids = [*t5_token_ids("a red fox"), END]
    with torch.no_grad():
        states = oracle(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        wanted = states[-1] if blocks == 2 else oracle.encoder.final_layer_norm(states[1])
    with ModelStore("cpu").lease(weights) as module:
        found = encode_t5(module, tokenize_t5("a red fox", PLAIN, WIDTH), PLAIN, layer)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_long_prompts_are_not_cut(weights: Weights) -> None:
    assert encoded(weights, "fox " * 300, Length(77)).shape == (1, 601, WIDTH)


@pytest.mark.parametrize("end", [True, False])
def test_weights_are_measured_from_the_empty_prompt(weights: Weights, oracle: T5EncoderModel, end: bool) -> None:
    ids = [*t5_token_ids("a"), *t5_token_ids("red fox"), END, PAD]
    plain = hidden(oracle, ids)
    empty = hidden(oracle, [END if end else PAD, *[PAD] * (len(ids) - 1)])
    wanted = plain.clone()
    wanted[:, 2:5] = (plain - empty)[:, 2:5] * 1.5 + empty[:, 2:5]
    assert torch.allclose(encoded(weights, "a (red fox:1.5)", Length(0, 1, end)), wanted, atol=1e-5)


def test_embeddings_stand_for_tokens(weights: Weights, tmp_path: Path) -> None:
    vectors = torch.randn(2, WIDTH)
    save_file({"t5xxl": vectors, "clip_l": torch.zeros(2, 8)}, tmp_path / "style.safetensors")
    row = tokenize_t5("fox embedding:style", PLAIN, WIDTH, (tmp_path,))
    assert torch.equal(torch.stack(row.tokens[2:4]), vectors)
    assert encoded(weights, "fox embedding:style", PLAIN, (tmp_path,)).shape == (1, 5, WIDTH)


def test_a_file_without_its_table_is_named(tmp_path: Path, oracle: T5EncoderModel) -> None:
    tensors = {name: tensor for name, tensor in oracle.state_dict().items() if name.startswith("encoder.block")}
    save_file(tensors, tmp_path / "half.safetensors")
    with pytest.raises(ModelUnreadable, match=r"'half\.safetensors' holds a T5 encoder without its table"):
        load(WeightFile(tmp_path / "half.safetensors").view(""))
