#!/usr/bin/env bash
# torch 2.13.0: torch.load reads a file as safetensors where its name ends in .safetensors, whatever is in it.
# The same pickled weights load under any other name; under that one a SafetensorError about the header is raised.
# Seen with torch 2.13.0, safetensors 0.8.0, Python 3.11. Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import torch

weights = {"w": torch.ones(3)}
torch.save(weights, "weights.pt")
torch.save(weights, "weights.safetensors")
assert torch.equal(torch.load("weights.pt", weights_only=True)["w"], weights["w"])
try:
    torch.load("weights.safetensors", weights_only=True)
except Exception as error:
    print(f"torch {torch.__version__}: {type(error).__name__}: {error}")
    assert "safetensor" in type(error).__name__.lower() or "header" in str(error).lower()
else:
    raise SystemExit("it loads now: the name is no longer what decides")
PY
