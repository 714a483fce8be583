"""Pictures as prompts: against diffusers' own IP-Adapter on the same random networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from engine.errors import InputInvalid, ModelUnreadable
from engine.model_store import ModelStore
from nodes.diffusion import ip_adapter, vision
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.ip_adapter import layers, presets
from nodes.diffusion.ip_adapter.layers import DEEP, SHALLOW, factor, reached
from nodes.diffusion.ip_adapter.patch import KeysOfPictures, scaled
from nodes.diffusion.unet import predict
from nodes.ip_adapter import PRESETS, WEIGHT_TYPES
from nodes.values import Model
from nodes.vision_values import ClipVision, IpAdapter

from .conftest import WriteUNet

World = tuple[str, Any, Model, IpAdapter, bool]
CONTEXT, SEEN, SUMMARY = 48, 64, 24
LAYERS: dict[str, dict[str, Any]] = {SHALLOW: {}, DEEP: {"transformer_layers_per_block": (1, 2, 10)}}
FAMILY = {SHALLOW: "sd2", DEEP: "sdxl"}


@pytest.fixture
def encoder(tmp_path: Path) -> ClipVision:
    """A small picture encoder from a file."""
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        hidden_size=SEEN,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=28,
        patch_size=14,
        projection_dim=SUMMARY,
    )
    module = CLIPVisionModelWithProjection(config)
    tensors = {name: tensor for name, tensor in module.state_dict().items() if "position_ids" not in name}
    save_file(tensors, tmp_path / "vision.safetensors")
    return vision.load_vision(tmp_path / "vision.safetensors")


def picture_part(plus: bool) -> dict[str, Tensor]:
    """Random tensors of ``image_proj``: for the summary, or for all tokens."""
    if not plus:
        shapes: dict[str, tuple[int, ...]] = {"proj.weight": (4 * CONTEXT, SUMMARY), "proj.bias": (4 * CONTEXT,)}
        shapes |= {"norm.weight": (CONTEXT,), "norm.bias": (CONTEXT,)}
    else:
        shapes = {"latents": (1, 5, 64), "proj_in.weight": (64, SEEN), "proj_in.bias": (64,)}
        shapes |= {"proj_out.weight": (CONTEXT, 64), "proj_out.bias": (CONTEXT,)}
        shapes |= {"norm_out.weight": (CONTEXT,), "norm_out.bias": (CONTEXT,)}
        for layer in range(4):  # which is how many diffusers takes to be there
            ask, forward = f"layers.{layer}.0.", f"layers.{layer}.1."
            shapes |= {f"{ask}{norm}.{kind}": (64,) for norm in ("norm1", "norm2") for kind in ("weight", "bias")}
            shapes |= {f"{ask}to_q.weight": (64, 64), f"{ask}to_kv.weight": (128, 64), f"{ask}to_out.weight": (64, 64)}
            shapes |= {f"{forward}0.weight": (64,), f"{forward}0.bias": (64,)}
            shapes |= {f"{forward}1.weight": (256, 64), f"{forward}3.weight": (64, 256)}
    return {name: torch.randn(shape) * 0.2 for name, shape in shapes.items()}


def attention_part(unet: Any) -> dict[str, Tensor]:
    """Random keys and values for each cross attention, numbered as diffusers numbers them."""
    crossing = [name for name in unet.attn_processors if "attn2" in name]
    made: dict[str, Tensor] = {}
    for place, name in enumerate(crossing):
        width = unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0]
        for part in ("to_k_ip", "to_v_ip"):
            made[f"{2 * place + 1}.{part}.weight"] = torch.randn(width, CONTEXT) * 0.3
    return made


def flat(parts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}


@pytest.fixture
def world(tmp_path: Path, write_unet: WriteUNet, request: pytest.FixtureRequest) -> World:
    """A kind of network, diffusers' module with the adapter, our model and adapter, whether that reads all tokens."""
    kind, plus = request.param
    unet: Any = write_unet(tmp_path / "unet.safetensors", FAMILY[kind], layout="bare", **LAYERS[kind])
    torch.manual_seed(5)
    parts = {"image_proj": picture_part(plus), "ip_adapter": attention_part(unet)}
    save_file(flat(parts), tmp_path / "ip.safetensors")
    unet._load_ip_adapter_weights([parts], low_cpu_mem_usage=False)
    adapter = ip_adapter.load_ip_adapter(tmp_path / "ip.safetensors")
    return kind, unet, load_unet(tmp_path / "unet.safetensors"), adapter, plus


CASES = [(SHALLOW, False), (SHALLOW, True), (DEEP, False), (DEEP, True)]


def drawn(models: ModelStore, model: Model, given: dict[str, Any], sigma: float = 1.0) -> Tensor:
    """Our pass through the model's network: a positive row, then a negative one."""
    with torch.no_grad(), models.lease(model.weights) as network:
        return predict(network, **given, patches=model.patches, rows=(0, 1), sigma=sigma)


def by_diffusers(unet: Any, given: dict[str, Any], pictures: Tensor, scale: float) -> Tensor:
    """diffusers' own pass; ``pictures``: [rows, pictures, ...] as the encoder saw them."""
    for processor in unet.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [scale]
    added: dict[str, Any] = {"image_embeds": [pictures]}
    if "y" in given:
        unet.add_time_proj.forward = lambda _numbers: given["y"][:, 48:].reshape(-1, 256)
        added |= {"text_embeds": given["y"][:, :48], "time_ids": torch.zeros(2, 6)}
    with torch.no_grad():
        made: Tensor = unet(given["x"], given["timestep"], given["context"], added_cond_kwargs=added).sample
    return made


def inputs(kind: str) -> dict[str, Any]:
    source = torch.Generator().manual_seed(1)
    shapes = {"x": (2, 4, 8, 8), "context": (2, 7, CONTEXT)} | ({"y": (2, 48 + 6 * 256)} if kind == DEEP else {})
    made = {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}
    return {**made, "timestep": torch.tensor([500.0, 500.0])}


@pytest.mark.parametrize(
    "world", [(SHALLOW, False), (SHALLOW, True), (DEEP, False), (DEEP, True)], indirect=True, ids=str
)
def test_as_diffusers(world: World, encoder: ClipVision) -> None:
    _kind, unet, model, adapter, plus = world
    models, pixels, given = ModelStore(device="cpu"), torch.rand(2, 28, 28, 3), inputs(world[0])
    patched = ip_adapter.apply(models, model, adapter, encoder, pixels, ip_adapter.How(0.7))
    seen = vision.encode(models, encoder, torch.cat([pixels, torch.zeros(1, 28, 28, 3)]), crop=True)
    taken = seen.penultimate_hidden if plus else seen.summary
    unlike = taken[2:] if plus else torch.zeros_like(taken[2:])
    theirs = by_diffusers(unet, given, torch.stack([taken[:2], unlike.expand_as(taken[:2])]), 0.7)
    assert (drawn(models, patched, given) - theirs).norm() / theirs.norm() < 1e-5
    assert (drawn(models, model, given) - theirs).norm() / theirs.norm() > 1e-3


@pytest.mark.parametrize("world", [(SHALLOW, False)], indirect=True, ids=str)
def test_progress_weights_and_masks(world: World, encoder: ClipVision) -> None:
    kind, _, model, adapter, _ = world
    models, pixels, given = ModelStore(device="cpu"), torch.rand(1, 28, 28, 3), inputs(kind)
    plain = drawn(models, model, given)

    def changed(how: ip_adapter.How, sigma: float = 1.0, mask: Tensor | None = None) -> Tensor:
        patched = ip_adapter.apply(models, model, adapter, encoder, pixels, how, mask=mask)
        return drawn(models, patched, given, sigma) - plain

    whole = changed(ip_adapter.How())
    assert whole.norm() > 0.01
    assert not changed(ip_adapter.How(0.0)).any()
    late = ip_adapter.How(progress=(0.5, 1.0))
    middle = model.parameterization.percent_to_sigma(0.5)
    assert not changed(late, sigma=middle * 1.01).any()
    assert torch.equal(changed(late, sigma=middle * 0.99), whole)
    assert not changed(ip_adapter.How(), mask=torch.zeros(1, 8, 8)).any()
    assert torch.allclose(changed(ip_adapter.How(), mask=torch.ones(1, 8, 8)), whole, atol=1e-6)
    half = torch.zeros(1, 8, 8)
    half[:, :, 4:] = 1
    assert 0 < changed(ip_adapter.How(), mask=half).norm() < whole.norm()
    # Kept away from all but a few layers, a picture changes less, and something else.
    for weight_type in ("style transfer", "composition", "weak output", "style transfer precise"):
        part = changed(ip_adapter.How(weight_type=weight_type))
        assert part.norm() > 0
        assert (part - whole).norm() > 0.01 * whole.norm()


@pytest.mark.parametrize("world", [(SHALLOW, False)], indirect=True, ids=str)
def test_pictures_are_combined(world: World, encoder: ClipVision) -> None:
    _, _, model, adapter, _ = world
    models, pixels, given = ModelStore(device="cpu"), torch.rand(3, 28, 28, 3), inputs(SHALLOW)

    def by(how: ip_adapter.CombinedBy, shown: Tensor = pixels) -> Tensor:
        return drawn(
            models, ip_adapter.apply(models, model, adapter, encoder, shown, ip_adapter.How(combined_by=how)), given
        )

    made = [by(how) for how in ("concat", "add", "subtract", "average", "norm average")]
    assert all((one - other).norm() > 1e-4 for place, one in enumerate(made) for other in made[:place])
    same = pixels[:1].expand(2, -1, -1, -1)
    assert torch.allclose(by("average", same), by("concat", pixels[:1]), atol=1e-6)


def test_what_does_not_fit_is_refused(tmp_path: Path, write_unet: WriteUNet, encoder: ClipVision) -> None:
    unet = write_unet(tmp_path / "unet.safetensors", "sd2", layout="bare", cross_attention_dim=40)
    parts = {"image_proj": picture_part(plus=False), "ip_adapter": attention_part(unet)}
    save_file(flat(parts), tmp_path / "ip.safetensors")
    adapter = ip_adapter.load_ip_adapter(tmp_path / "ip.safetensors")
    models, model = ModelStore(device="cpu"), load_unet(tmp_path / "unet.safetensors")
    with pytest.raises(InputInvalid, match="prompts 48 wide, and the model's are 40 wide"):
        ip_adapter.apply(models, model, adapter, encoder, torch.rand(1, 28, 28, 3), ip_adapter.How())
    with pytest.raises(ModelUnreadable, match="holds no IP-Adapter"):
        ip_adapter.load_ip_adapter(tmp_path / "unet.safetensors")
    save_file(flat(parts) | {"ip_adapter.0.to_q_lora.down.weight": torch.zeros(1, 1)}, tmp_path / "face.safetensors")
    with pytest.raises(ModelUnreadable, match="of faces"):
        ip_adapter.load_ip_adapter(tmp_path / "face.safetensors")


def test_pickled_files_have_their_parts_in_mappings(tmp_path: Path, write_unet: WriteUNet) -> None:
    unet = write_unet(tmp_path / "unet.safetensors", "sd2", layout="bare")
    parts = {"image_proj": picture_part(plus=False), "ip_adapter": attention_part(unet)}
    torch.save(parts, tmp_path / "ip.bin")
    save_file(flat(parts), tmp_path / "ip.safetensors")
    pickled, plain = (ip_adapter.load_ip_adapter(tmp_path / name) for name in ("ip.bin", "ip.safetensors"))
    with ModelStore(device="cpu").lease(pickled.weights) as network:
        found = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert found.keys() == flat(parts).keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in flat(parts).items())
    assert pickled.kind == plain.kind == SHALLOW


def test_files_of_presets_are_found_by_their_names() -> None:
    adapters = ["ip-adapter_sd15.safetensors", "sdxl/ip-adapter_sdxl_vit-h.safetensors", "ip-adapter_sdxl.safetensors"]
    encoders = ["CLIP-ViT-bigG-14-laion2B-39B-b160k.safetensors", "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"]
    standard = "STANDARD (medium strength)"
    assert ip_adapter.preset_files(standard, 768, adapters, encoders) == (adapters[0], encoders[1])
    assert ip_adapter.preset_files(standard, 2048, adapters, encoders) == (adapters[1], encoders[1])
    assert ip_adapter.preset_files("VIT-G (medium strength)", 2048, adapters, encoders) == (adapters[2], encoders[0])
    with pytest.raises(InputInvalid, match="no file of the IP-Adapter of 'PLUS"):
        ip_adapter.preset_files("PLUS (high strength)", 768, adapters, encoders)
    with pytest.raises(InputInvalid, match="no 'LIGHT"):
        ip_adapter.preset_files("LIGHT - SD1.5 only (low strength)", 2048, adapters, encoders)


def test_the_nodes_offer_what_is_there() -> None:
    assert layers.WEIGHT_TYPES == WEIGHT_TYPES
    assert presets.PRESETS == PRESETS


def test_every_kind_of_weight_reaches_layers_of_both_kinds() -> None:
    for kind, count in ((SHALLOW, 16), (DEEP, 70)):
        found = reached(kind)
        assert [layer.number for layer in found] == list(range(1, 2 * count, 2))
        for weight_type in WEIGHT_TYPES:
            assert any(factor(weight_type, kind, layer) for layer in found)
    first, last = (next(layer for layer in reached(SHALLOW) if layer.place == place) for place in (0, 15))
    assert (factor("ease in", SHALLOW, first), factor("ease out", SHALLOW, first)) == (1.0, 0.05)
    assert factor("ease in", SHALLOW, last) == pytest.approx(0.05 + 0.95 / 16)


def test_scaling_by_keys_and_values() -> None:
    tokens = KeysOfPictures(torch.ones(2, 3, 640), torch.arange(6.0).view(2, 3, 1).expand(2, 3, 640))
    assert torch.equal(scaled(tokens, 0.5, "K+V").keys, tokens.keys / 2)
    assert torch.equal(scaled(tokens, 2.0, "K+V w/ C penalty").values, tokens.values)
    kept = scaled(tokens, 1.0, "K+mean(V) w/ C penalty").values
    assert torch.equal(kept - kept.mean(dim=1, keepdim=True), tokens.values - tokens.values.mean(dim=1, keepdim=True))
    assert torch.equal(kept.mean(dim=1), tokens.values.mean(dim=1) / 2)
