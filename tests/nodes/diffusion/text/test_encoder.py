"""Running a text encoder: hidden layers, pooled vectors, weights, number formats."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion.text.chunks import Chunk, Vocabulary, tokenize
from nodes.diffusion.text.encoder import EncoderReading, encode_chunks
from nodes.diffusion.text.tokenizer import END

from .conftest import MakeEncoder

WORDS = Vocabulary()
LAST = EncoderReading(None, norm=True, projected=True)


def close(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).norm() <= 1e-5 * wanted.norm())


def outputs(module: Any, chunk: Chunk) -> Any:
    """What transformers' own forward makes of a chunk."""
    return module(input_ids=torch.tensor([chunk.tokens]), output_hidden_states=True)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_equals_transformers(make_encoder: MakeEncoder, activation: str) -> None:
    module = make_encoder(activation=activation)
    (chunk,) = tokenize("a cat on a mat", WORDS)
    theirs = outputs(module, chunk)
    context, pooled = encode_chunks(module, [chunk], WORDS, LAST)
    assert close(context, theirs.last_hidden_state)
    assert close(pooled, theirs.text_embeds)
    for layer in (-1, -2, -3):
        context, pooled = encode_chunks(module, [chunk], WORDS, EncoderReading(layer, norm=False, projected=True))
        assert close(context, theirs.hidden_states[layer])
        assert close(pooled, theirs.text_embeds)
        context, _ = encode_chunks(module, [chunk], WORDS, EncoderReading(layer, norm=True, projected=True))
        assert close(context, module.text_model.final_layer_norm(theirs.hidden_states[layer]))


def test_layers_that_are_not_there_mean_the_last(make_encoder: MakeEncoder) -> None:
    module = make_encoder()
    chunks = tokenize("a cat", WORDS)
    last, _ = encode_chunks(module, chunks, WORDS, LAST)
    for layer in (-4, -24):
        assert torch.equal(encode_chunks(module, chunks, WORDS, EncoderReading(layer, False, True))[0], last)


def test_vit_h_without_its_last_layer(make_encoder: MakeEncoder) -> None:
    """The penultimate layer of 24 is the last one of a file that holds 23."""
    module = make_encoder(16, 23)
    (chunk,) = tokenize("a cat", WORDS)
    hidden = outputs(module, chunk).hidden_states
    for layer, index in ((-2, 23), (-1, 23), (-3, 22), (-24, 1)):
        assert close(encode_chunks(module, [chunk], WORDS, EncoderReading(layer, False, True))[0], hidden[index])


def test_pooled_is_the_first_end_of_the_first_chunk(make_encoder: MakeEncoder) -> None:
    module = make_encoder()
    chunks = tokenize("a <|endoftext|> cat " + "cat " * 80, WORDS)
    assert len(chunks) == 2
    context, pooled = encode_chunks(module, chunks, WORDS, EncoderReading(None, norm=True, projected=False))
    assert context.shape == (1, 154, 64)
    assert close(pooled, context[:, 2])


def test_chunks_do_not_see_each_other(make_encoder: MakeEncoder) -> None:
    module = make_encoder()
    first, second = tokenize("cat " * 80, WORDS)
    both, _ = encode_chunks(module, [first, second], WORDS, LAST)
    assert close(both[:, 77:], encode_chunks(module, [second], WORDS, LAST)[0])


def test_weights_move_away_from_the_empty_prompt(make_encoder: MakeEncoder) -> None:
    module = make_encoder()
    plain = tokenize("a cat on a mat", WORDS)[0]
    weights = list(plain.weights)
    weights[2], weights[4] = 1.5, -0.25
    context, pooled = encode_chunks(module, [replace(plain, weights=tuple(weights))], WORDS, LAST)
    unweighted, same_pooled = encode_chunks(module, [plain], WORDS, LAST)
    empty, _ = encode_chunks(module, tokenize("", WORDS), WORDS, LAST)
    wanted = empty + (unweighted - empty) * torch.tensor(weights)[None, :, None]
    assert close(context, wanted)
    assert close(pooled, same_pooled)
    untouched = [place for place in range(77) if weights[place] == 1]
    assert close(context[:, untouched], unweighted[:, untouched])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_weights_are_computed_wide(make_encoder: MakeEncoder, dtype: torch.dtype) -> None:
    chunks = tokenize("a (cat:1.3)", WORDS)
    narrow = make_encoder().to(dtype)
    wide = make_encoder().to(dtype).float()
    for found, wanted in zip(
        encode_chunks(narrow, chunks, WORDS, LAST), encode_chunks(wide, chunks, WORDS, LAST), strict=True
    ):
        assert found.dtype == torch.float32
        assert torch.equal(found, wanted)
    assert {parameter.dtype for parameter in narrow.parameters()} == {dtype}


def with_vector(chunk: Chunk, place: int, vector: Tensor) -> Chunk:
    return replace(chunk, tokens=(*chunk.tokens[:place], vector, *chunk.tokens[place + 1 :]))


def test_an_embedding_of_a_tokens_vector_is_that_token(make_encoder: MakeEncoder) -> None:
    module = make_encoder()
    (chunk,) = tokenize("a cat", WORDS)
    vector = module.text_model.embeddings.token_embedding.weight[chunk.tokens[2]]
    wanted = encode_chunks(module, [chunk], WORDS, LAST)
    found = encode_chunks(module, [with_vector(chunk, 2, vector)], WORDS, LAST)
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[1], wanted[1])


@pytest.mark.parametrize("pad", [0, END])
def test_embeddings_of_another_width_are_left_out(
    make_encoder: MakeEncoder, caplog: pytest.LogCaptureFixture, pad: int
) -> None:
    module = make_encoder()
    words = Vocabulary(pad=pad)
    (chunk,) = tokenize("a red cat", words)
    with caplog.at_level(logging.WARNING):
        found = encode_chunks(module, [with_vector(chunk, 2, torch.ones(5))], words, LAST)
    assert "not 64 wide" in caplog.text
    wanted = encode_chunks(module, tokenize("a cat", words), words, LAST)
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[1], wanted[1])
