"""The same module under every name that trainers give it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from diffusers import UNet2DConditionModel

from nodes.diffusion.ldm_names import ldm_names
from nodes.diffusion.lora.targets import ModelTargets, find_text_module, model_targets, text_prefixes, text_targets
from nodes.families.sd.names import name_map


def unet_targets(modules: Iterable[str]) -> ModelTargets:
    return model_targets(name_map({f"{module}.weight": (1,) for module in modules}))


@pytest.fixture(scope="module")
def unet_modules() -> list[str]:
    with torch.device("meta"):
        unet = UNet2DConditionModel()
    return sorted({name.rpartition(".")[0] for name in unet.state_dict()})


SDXL = ("clip_l", "clip_g")


@pytest.mark.parametrize(
    ("diffusers_name", "ldm_name"),
    [
        ("conv_in", "input_blocks.0.0"),
        ("down_blocks.0.resnets.1.conv1", "input_blocks.2.0.in_layers.2"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.2.attentions.0.proj_in", "input_blocks.7.1.proj_in"),
        ("down_blocks.3.resnets.1.norm2", "input_blocks.11.0.out_layers.0"),
        ("mid_block.attentions.0.norm", "middle_block.1.norm"),
        ("mid_block.resnets.1.time_emb_proj", "middle_block.2.emb_layers.1"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.1.conv"),
        ("up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv"),
        ("up_blocks.3.attentions.2.proj_out", "output_blocks.11.1.proj_out"),
        ("conv_out", "out.2"),
    ],
)
def test_ldm_names_of_sd15(unet_modules: list[str], diffusers_name: str, ldm_name: str) -> None:
    assert ldm_names(unet_modules)[diffusers_name] == ldm_name


def test_every_module_has_one_ldm_name(unet_modules: list[str]) -> None:
    names = ldm_names(unet_modules)
    assert names.keys() == set(unet_modules)
    assert len(set(names.values())) == len(names)


QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "up_blocks.1.attentions.2.transformer_blocks.0.attn2.to_out.0"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", QUERY),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", QUERY),
        ("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q", QUERY),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", QUERY),
        ("base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", QUERY),
        ("diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q", QUERY),
        ("unet.up_blocks.1.attentions.2.transformer_blocks.0.attn2.processor.to_out", OUT),
        ("lora_unet_output_blocks_5_1_transformer_blocks_0_attn2_to_out_0", OUT),
        ("lora_unet_nowhere_0", None),
    ],
)
def test_unet_module_names(unet_modules: list[str], name: str, module: str | None) -> None:
    spans = unet_targets(unet_modules).find(name, "weight")
    assert [span.parameter for span in spans] == ([] if module is None else [f"{module}.weight"])


@pytest.mark.parametrize("stem", ["text_model.encoder", "encoder"])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("lora_te_text_model_encoder_layers_3_self_attn_q_proj", 0),
        ("lora_te1_text_model_encoder_layers_3_self_attn_q_proj", 0),
        ("lora_te2_text_model_encoder_layers_3_self_attn_q_proj", 1),
        ("text_encoder.text_model.encoder.layers.3.self_attn.q_proj", 0),
        ("text_encoder_2.text_model.encoder.layers.3.self_attn.q_proj", 1),
        ("text_encoder.text_model.encoder.layers.3.self_attn.to_q", 0),
    ],
)
def test_text_module_names_go_to_their_own_encoder_only(stem: str, name: str, index: int) -> None:
    module = f"{stem}.layers.3.self_attn.q_proj"
    targets = text_targets([f"{module}.weight", f"{module}.bias"])
    found = [find_text_module(name, text_prefixes(SDXL[i], SDXL), targets) for i in range(2)]
    assert found == [module if i == index else None for i in range(2)]


@pytest.mark.parametrize(("name", "found"), [("lora_te2_text_projection", [1]), ("lora_prior_te_text_projection", [1])])
def test_projection_of_the_second_encoder(name: str, found: list[int]) -> None:
    targets = text_targets(["text_projection.weight"])
    assert [i for i in range(2) if find_text_module(name, text_prefixes(SDXL[i], SDXL), targets)] == found
    assert find_text_module(name, text_prefixes("clip_g", ("clip_g",)), targets) == "text_projection"


@pytest.mark.parametrize(
    "prefix", ["lora_te_text_model_", "lora_prior_te_text_model_", "text_encoders.clip_g.transformer."]
)
def test_names_of_the_refiners_only_encoder(prefix: str) -> None:
    module = "text_model.encoder.layers.3.mlp.fc1"
    name = prefix + "encoder_layers_3_mlp_fc1"
    assert find_text_module(name, text_prefixes("clip_g", ("clip_g",)), text_targets([f"{module}.weight"])) == module


@pytest.mark.parametrize("name", ["add_embedding", "class_embedding", "label_emb"])
def test_names_of_the_embedding_of_sizes(name: str) -> None:
    modules = ["add_embedding.linear_1", "add_embedding.linear_2"]
    part = "0_0" if name == "label_emb" else "linear_1"
    (span,) = unet_targets(modules).find(f"lora_unet_{name}_{part}", "weight")
    assert span.parameter == f"{modules[0]}.weight"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("lora_te2_encoder_block_0_layer_0_SelfAttention_q", ("clip_l", "t5xxl")),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", ("clip_l", "t5xxl")),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q", ("clip_l", "clip_g", "t5xxl")),
        ("lora_te1_encoder_block_0_layer_0_SelfAttention_q", ("t5xxl",)),
        ("text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q", ("clip_l", "t5xxl")),
    ],
)
def test_names_of_t5(name: str, kinds: tuple[str, ...]) -> None:
    module = "block.0.layer.0.SelfAttention.q"
    targets = text_targets([f"{module}.weight"])
    assert find_text_module(name, text_prefixes("t5xxl", kinds), targets) == module
    for other in kinds:
        if other != "t5xxl":
            assert find_text_module(name, text_prefixes(other, kinds), targets) is None
