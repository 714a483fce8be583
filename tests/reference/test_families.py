"""The recorded cases of each family: what ComfyUI 0.33.0 computed on tiny models of it, in float32 on a CPU.

``families/<name>/`` has the prompts and what came out, and the models' shapes where the book for all families,
``models.json.xz``, does not have them; ``families/models.py`` writes the models.
ComfyUI's own results spread by 2e-6 between two attention kernels. They were recorded with one thread: another number
moves what a VAE's convolutions make by 2e-4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.engine import Engine
from tests.reference.families import llama, models
from tests.reference.recorded import compare, probing_engine, read, run

FAMILIES = Path(__file__).parent / "families"
PROMPTS = {
    f"{book.parent.name}/{name}": graph
    for book in sorted(FAMILIES.glob("*/prompts.json"))
    for name, graph in json.loads(book.read_text()).items()
}
BOUND = 1e-4


@pytest.fixture(autouse=True, scope="module")
def threads_as_recorded() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    """By family; each is made, with its models, when the first case of it runs."""
    return {}


def engine_of(family: str, engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if family not in engines:
        folder, own = tmp_path_factory.mktemp(family), FAMILIES / family / "models.json.xz"
        graphs = [graph for name, graph in PROMPTS.items() if name.startswith(f"{family}/")]
        book = own if own.exists() else models.BOOK
        written = models.write(book, folder / "models", models.named_in(graphs))
        if (words := FAMILIES / family / "llama_words.json").exists():
            llama.write(words, written / "text_encoders" / "llama_tokenizer")
        engines[family] = probing_engine(folder, written)
    return engines[family]


def recordings(family: str) -> dict[str, dict[str, Tensor]]:
    return read(FAMILIES / family / "outputs.safetensors")


@pytest.mark.parametrize("case", PROMPTS)
def test_case(
    case: str, engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory, record_property: Any
) -> None:
    family, _, name = case.partition("/")
    made = run(engine_of(family, engines, tmp_path_factory), PROMPTS[case])
    compare(made, recordings(family)[name], BOUND, record_property)
