"""Small random text encoders in the layouts of published files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

MakeEncoder = Callable[..., CLIPTextModelWithProjection]
CASES = Path(__file__).parents[3] / "reference" / "cases"


@pytest.fixture
def make_encoder() -> MakeEncoder:
    """Makes an encoder of the given width, layers, activation and positions, the same each time."""

    def make(width: int = 64, layers: int = 3, activation: str = "quick_gelu", positions: int = 77) -> torch.nn.Module:
        torch.manual_seed(width + layers)
        module = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=layers,
                num_attention_heads=4,
                max_position_embeddings=positions,
                hidden_act=activation,
                projection_dim=width,
                eos_token_id=49407,
            )
        ).eval()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
        return module.requires_grad_(False)

    return make


def as_openclip(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """An encoder's tensors under OpenCLIP's names, as that library saves them."""
    text = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    found = {
        "positional_embedding": text["embeddings.position_embedding.weight"],
        "token_embedding.weight": text["embeddings.token_embedding.weight"],
        "ln_final.weight": text["final_layer_norm.weight"],
        "ln_final.bias": text["final_layer_norm.bias"],
        "text_projection": text["text_projection.weight"].t().contiguous(),
        "logit_scale": torch.tensor(4.6),
    }
    layers = {name.split(".")[2] for name in text if name.startswith("encoder.layers.")}
    for layer in layers:
        theirs, ours = f"transformer.resblocks.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            parts = [text[f"{ours}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            found[f"{theirs}attn.in_proj_{kind}"] = torch.cat(parts)
            found[f"{theirs}attn.out_proj.{kind}"] = text[f"{ours}self_attn.out_proj.{kind}"]
            found[f"{theirs}mlp.c_fc.{kind}"] = text[f"{ours}mlp.fc1.{kind}"]
            found[f"{theirs}mlp.c_proj.{kind}"] = text[f"{ours}mlp.fc2.{kind}"]
            found[f"{theirs}ln_1.{kind}"] = text[f"{ours}layer_norm1.{kind}"]
            found[f"{theirs}ln_2.{kind}"] = text[f"{ours}layer_norm2.{kind}"]
    return found
