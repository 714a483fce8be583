"""Loading, LoRA and swap on real sizes: seconds, and peak memory against the size of the file.

``python -m benchmarks.load [--json FILE] [--folder DIR] [--family sd15|sdxl]`` writes two random fp16 checkpoints and
a rank 32 LoRA into a temporary folder, which it deletes, and measures the denoiser (2 GB with its encoders for SD1.5)
as stored: each case is a process of its own. Cold: the kernel was told to drop the file's pages first. The
peak is what the process grew by, in resident pages; the bound is 1.15 times what it loads.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from engine.model_store import ModelStore
from nodes.diffusion.checkpoints import load_unet
from nodes.diffusion.lora import apply_lora_to_model
from nodes.values import Model

BOUND = 1.15
RANK = 32
FAMILIES: dict[str, dict[str, Any]] = {
    "sd15": {"cross_attention_dim": 768},
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}


def write_files(folder: Path, family: str) -> None:
    """``a`` and ``b``: random UNets of the family's size in fp16; ``lora``: rank 32 on the attentions."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in UNet2DConditionModel(**FAMILIES[family]).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for name in ("a", "b"):
        save_file({key: _random(shape, generator) for key, shape in shapes.items()}, folder / f"{name}.safetensors")
    lora = {}
    for key, shape in shapes.items():
        if ".attn" in key and key.endswith("weight") and len(shape) == 2:
            stem = f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}"
            lora[f"{stem}.lora_down.weight"] = _random((RANK, shape[1]), generator)
            lora[f"{stem}.lora_up.weight"] = _random((shape[0], RANK), generator)
    save_file(lora, folder / "lora.safetensors")


def _random(shape: torch.Size | tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    width = math.prod(shape[1:]) or 1
    return torch.randn(shape, generator=generator).div_(math.sqrt(width)).half()


def evict(path: Path) -> None:
    """Ask the kernel to drop the file's pages."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident_bytes() -> int:
    """The process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most memory that the process held while this was open, sampled every 5 ms, above what it held before."""

    def __enter__(self) -> Peak:
        self.before = self.most = resident_bytes()
        self._done = Event()
        self._watcher = Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watcher.join()
        self.bytes = max(self.most, resident_bytes()) - self.before

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.most = max(self.most, resident_bytes())


def touch(models: ModelStore, model: Model) -> None:
    """Lend the network once and read every weight of it, as a first step would."""
    with models.lease(model.weights, model.weight_patches) as module:
        for parameter in module.parameters():
            parameter.view(-1)[:: 4096 // parameter.element_size()].sum()


def measure(case: str, folder: Path) -> dict[str, Any]:
    """One case in this process; ``seconds`` by what was done."""
    models = ModelStore("cpu", "float16")
    path = folder / "a.safetensors"
    seconds: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        made = call()
        seconds[name] = time.perf_counter() - start
        return made

    with Peak() as peak:
        model = timed("open", lambda: load_unet(path))
        timed("read", lambda: touch(models, model))
    if case == "lora":
        changed = timed("lora open", lambda: apply_lora_to_model(models, model, folder / "lora.safetensors", 0.8))
        timed("lora apply", lambda: touch(models, changed))
        timed("lora off", lambda: touch(models, model))
    if case == "swap":
        other = load_unet(folder / "b.safetensors")
        timed("swap to the second", lambda: touch(models, other))
        timed("swap back", lambda: touch(models, model))
    return {"case": case, "file_bytes": path.stat().st_size, "peak_bytes": peak.bytes, "seconds": seconds}


def in_a_process(case: str, folder: Path) -> dict[str, Any]:
    """The case in a fresh process."""
    if case == "cold":
        evict(folder / "a.safetensors")
    command = [sys.executable, "-m", "benchmarks.load", "--case", case, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(rows: list[dict[str, Any]], json_path: Path | None) -> None:
    """The table, and one JSON line a case."""
    table = Table("family", "case", "file", "peak / file", "seconds", title="Loading on the CPU, fp16 as stored")
    for row in rows:
        ratio = row["peak_bytes"] / row["file_bytes"]
        took = "  ".join(f"{name} {value:.2f}" for name, value in row["seconds"].items())
        verdict = "ok" if ratio <= BOUND else "OVER"
        table.add_row(row["family"], row["case"], f"{row['file_bytes'] / 1e9:.2f} GB", f"{ratio:.2f} {verdict}", took)
    Console().print(table)
    lines = [json.dumps(row) for row in rows]
    if json_path is None:
        print("\n".join(lines))
    else:
        json_path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Parse the options; write the files, run every case, delete the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help="where the files go for a while (default: the temp folder)")
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.case, given.folder)))
        return
    rows = []
    for family in given.family or FAMILIES:
        folder = Path(tempfile.mkdtemp(dir=given.folder))
        try:
            write_files(folder, family)
            rows += [in_a_process(case, folder) | {"family": family} for case in ("cold", "warm", "lora", "swap")]
        finally:
            shutil.rmtree(folder)
    show(rows, given.json)


if __name__ == "__main__":
    main()
