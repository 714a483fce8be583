"""HunyuanVideo's encoder is read with the tokenizer that its user has put beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import ModelUnreadable
from nodes.diffusion.text import load_clip
from nodes.families.hunyuan_video.text import END, HEADER, HEADER_END, LINES, START, USER, prompts_part

NAMES = ("model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.weight", "model.norm.weight")


def test_a_missing_tokenizer_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "llava_llama3.safetensors"
    save_file({NAMES[0]: torch.zeros(128320, 1), NAMES[1]: torch.zeros(1, 1), NAMES[2]: torch.zeros(1)}, path)
    clip = tmp_path / "clip_l.safetensors"
    names = ("token_embedding.weight", "position_embedding.weight")
    tensors = {f"text_model.embeddings.{name}": torch.zeros(2, 2) for name in names}
    save_file(tensors | {"text_model.encoder.layers.0.mlp.fc1.weight": torch.zeros(2, 2)}, clip)
    with pytest.raises(ModelUnreadable, match=r"'llava_llama3\.safetensors' has no tokenizer beside it") as caught:
        load_clip([clip, path], "hunyuan_video")
    assert "llama_tokenizer" in caught.value.remedy and str(tmp_path) not in str(caught.value)
    (tmp_path / "llama_tokenizer").mkdir()
    (tmp_path / "llama_tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnreadable, match="is no tokenizer"):
        load_clip([clip, path], "hunyuan_video")


def test_the_prompt_is_what_stands_after_the_users_header() -> None:
    ids = [START, HEADER, 9125, HEADER_END, LINES, 7, END, HEADER, USER, HEADER_END, LINES, 5, 6, END]
    assert ids[prompts_part(ids)] == [5, 6, END]
    assert ids[:4][prompts_part(ids[:4])] == ids[:4]
