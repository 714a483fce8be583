"""Language models as text encoders, against transformers' whole models with the same random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    DynamicCache,
    Gemma2Config,
    Gemma2Model,
    MistralConfig,
    MistralModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLModel,
    Qwen3Config,
    Qwen3Model,
)

from engine.errors import ModelUnreadable
from engine.model_store import ModelStore
from nodes.diffusion.language import gemma2, mistral, qwen3, qwen25_vl
from nodes.diffusion.language.decoder import hidden_states
from nodes.diffusion.language.pieces import EmbeddingFiles, PicturePiece, embed, pieces_of
from nodes.diffusion.language.qwen_vision import size_px
from nodes.diffusion.weights import WeightFile

SIZES = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
         "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
IDS = [3, 7, 11, 13, 17, 19]
Encoder = tuple[ModuleType, Any, Path]


def _qwen3() -> Any:
    theta = {"rope_type": "default", "rope_theta": 1e6}
    return Qwen3Model(Qwen3Config(**SIZES, head_dim=128, rope_parameters=theta))


def _mistral() -> Any:
    theta = {"rope_type": "default", "rope_theta": 1e9}
    return MistralModel(
        MistralConfig(**SIZES, head_dim=128, rms_norm_eps=1e-5, rope_parameters=theta, sliding_window=None)
    )


def _gemma2() -> Any:
    config = Gemma2Config(**SIZES, head_dim=256, query_pre_attn_scalar=256, attn_logit_softcapping=None)
    return Gemma2Model(config)


@pytest.fixture(scope="module", params=[(qwen3, _qwen3), (mistral, _mistral), (gemma2, _gemma2)], ids=lambda p: p[1])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    ours, make = request.param
    return ours, *_saved(make, tmp_path_factory.mktemp("encoder") / "encoder.safetensors")


def _saved(make: Callable[[], Any], path: Path) -> tuple[Any, Path]:
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.2)
    tensors = {f"model.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
    # Any bytes will do for a tokenizer that is only asked for by those who encode texts.
    tokenizers = {name: torch.zeros(3, dtype=torch.uint8) for name in ("spiece_model", "tekken_model")}
    save_file(tensors | tokenizers, path)
    return model, path


def _ours(encoder: Encoder, wanted: list[int], mask: Tensor | None = None) -> list[Tensor]:
    part, _, path = encoder
    weights = part.load(WeightFile(path).view(""), "encoder")
    with torch.no_grad(), ModelStore("cpu", precision="float32").lease(weights) as module:
        given: Any = module
        vectors = embed(given, IDS, pad=0).vectors
        return hidden_states(given.model, vectors, wanted, part.ROTATION, mask=mask)


def test_layers_are_those_of_the_whole_model(encoder: Encoder) -> None:
    _, theirs, _ = encoder
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([IDS]), output_hidden_states=True).hidden_states
    found = _ours(encoder, [0, 1, 2])
    for ours, whole in zip(found, expected[:3], strict=True):
        assert torch.allclose(ours, whole, atol=1e-5, rtol=1e-4)


def test_the_last_layer_is_read_without_the_final_norm(encoder: Encoder) -> None:
    _, theirs, _ = encoder
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([IDS])).last_hidden_state
        (found,) = _ours(encoder, [3])
        assert torch.allclose(theirs.norm(found), expected, atol=1e-4, rtol=1e-4)


def test_padding_is_not_attended_to(encoder: Encoder) -> None:
    mask = torch.tensor([[True, True, True, True, False, False]])
    (whole,), (masked,) = _ours(encoder, [3]), _ours(encoder, [3], mask)
    assert torch.allclose(whole[:, :4], masked[:, :4], atol=1e-5)
    assert not torch.allclose(whole[:, 5], masked[:, 5], atol=1e-2)


def _vision_language() -> Any:
    theta = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    text = {**SIZES, "vocab_size": 152064, "rope_parameters": theta, "num_attention_heads": 2, "hidden_size": 256}
    vision = {"depth": 8, "hidden_size": 160, "intermediate_size": 96, "num_heads": 2, "out_hidden_size": 256}
    return Qwen2_5_VLModel(Qwen2_5_VLConfig(text_config=text, vision_config=vision))


@pytest.mark.parametrize(("height", "width"), [(56, 56), (140, 252), (168, 112)])
def test_a_picture_stands_among_the_tokens_as_in_qwen25_vl(tmp_path: Path, height: int, width: int) -> None:
    theirs, path = _saved(_vision_language, tmp_path / "encoder.safetensors")
    whole = {
        name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): tensor
        for name, tensor in WeightFile(path).view("").items()
        if name.startswith("model.")
    }
    file = tmp_path / "as users have it.safetensors"
    save_file({name: tensor.clone() for name, tensor in whole.items()}, file)
    picture = torch.rand(height, width, 3)
    before, after = [151644, 5, 151652], [151653, 9, 11]
    with (
        torch.no_grad(),
        ModelStore("cpu", precision="float32").lease(qwen25_vl.load(WeightFile(file).view(""), "encoder")) as module,
    ):
        given: Any = module
        embedded = embed(given, [*before, PicturePiece(picture), *after], pad=151643)
        (found,) = hidden_states(given.model, embedded.vectors, [3], qwen25_vl.ROTATION, embedded.positions)
        found = given.model.norm(found)
        rows, columns = height // 28, width // 28
        ids = torch.tensor([[*before, *[151655] * (rows * columns), *after]])
        expected = theirs(
            input_ids=ids,
            pixel_values=_theirs_pixels(picture),
            image_grid_thw=torch.tensor([[1, rows * 2, columns * 2]]),
            mm_token_type_ids=(ids == 151655).int(),
        ).last_hidden_state
    assert float((found - expected).norm() / expected.norm()) < 1e-3


def _theirs_pixels(picture: Tensor) -> Tensor:
    """What transformers' own processor makes of a picture that has a size it likes."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    processor = Qwen2VLImageProcessor(do_rescale=False, do_resize=False)
    pixels: Tensor = processor(picture.movedim(-1, 0), return_tensors="pt")["pixel_values"]
    return pixels


def test_pictures_are_brought_to_whole_tokens() -> None:
    assert size_px(100, 100) == (112, 112)
    assert size_px(1008, 20) == (1008, 28)
    assert size_px(10, 10) == (56, 56)
    tall, wide = size_px(9000, 9000)
    assert tall * wide <= 3584 * 3584 and tall % 28 == wide % 28 == 0


def test_padding_begins_with_the_first_pad_token(encoder: Encoder) -> None:
    part, _, path = encoder
    with ModelStore("cpu", precision="float32").lease(part.load(WeightFile(path).view(""), "encoder")) as module:
        embedded = embed(module, [1, 2, 0, 3], pad=0)
    assert embedded.mask.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(("part", "name"), [(gemma2, "spiece_model"), (mistral, "tekken_model")])
def test_an_encoder_without_its_tokenizer_is_told(tmp_path: Path, part: ModuleType, name: str) -> None:
    save_file({"model.embed_tokens.weight": torch.zeros(2, 2)}, tmp_path / "encoder.safetensors")
    with pytest.raises(ModelUnreadable, match=f"'encoder.safetensors' carries no tokenizer .*{name}"):
        part.load(WeightFile(tmp_path / "encoder.safetensors").view(""), "encoder")


def test_escaped_parentheses_are_parentheses_and_names_of_embeddings_are_vectors(tmp_path: Path) -> None:
    def spelled(text: str) -> list[int]:
        return [ord(letter) for letter in text]

    assert pieces_of(r"a \(b\)", spelled) == spelled("a (b)")
    assert pieces_of("a embedding:x b", spelled) == spelled("a embedding:x b")
    vectors = torch.arange(8.0).view(2, 4)
    save_file({"emb": vectors}, tmp_path / "x.safetensors")
    files = EmbeddingFiles([tmp_path], "qwen3_4b", 4)
    found = pieces_of("a embedding:x b", spelled, files)
    assert found[:2] == spelled("a ") and found[4:] == spelled("b")
    assert all(isinstance(piece, Tensor) for piece in found[2:4])
    assert pieces_of("a embedding:none b", spelled, files) == spelled("a b")


def test_kept_keys_and_values_are_those_of_a_pass_over_everything(encoder: Encoder) -> None:
    part, _, path = encoder
    weights, cache = part.load(WeightFile(path).view(""), "encoder"), DynamicCache()
    with torch.no_grad(), ModelStore("cpu", precision="float32").lease(weights) as module:
        given: Any = module
        vectors = embed(given, IDS, pad=0).vectors
        (whole,) = hidden_states(given.model, vectors, (3,), part.ROTATION)
        spans = [(0, 3), (3, 4), (4, 5), (5, 6)]
        parts = [
            hidden_states(
                given.model, vectors[:, start:end], (3,), part.ROTATION, torch.arange(start, end)[None], cache=cache
            )[0]
            for start, end in spans
        ]
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-4)
