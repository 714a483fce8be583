#!/usr/bin/env bash
# torch 2.13.0: nn.Embedding(count, width) made on the meta device imports torch's compiler (torch._dynamo and sympy, some
# 0.8 s), since what fills its table has no kernel there and runs in Python, which compiled code may leave out. nn.Linear,
# nn.Conv2d and nn.LayerNorm do not. Whoever makes networks on the meta device to save time pays at the first table.
# Way out: nn.Embedding.from_pretrained(torch.empty(count, width)), which fills nothing.
# Seen with Python 3.11. Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6
cd "$work"
for made in "nn.Linear(64, 64)" "nn.Conv2d(4, 8, 3)" "nn.LayerNorm(64)" "nn.Embedding(100, 64)" \
    "nn.Embedding.from_pretrained(torch.empty(100, 64))"; do
    MADE="$made" "$work/venv/bin/python" - <<'PY'
import os
import sys

import torch
from torch import nn

made = os.environ["MADE"]
with torch.device("meta"):
    eval(made)
imported = "torch._dynamo" in sys.modules
print(f"torch {torch.__version__}: {made} on meta: the compiler is {'' if imported else 'not '}imported")
assert imported == (made == "nn.Embedding(100, 64)")
PY
done
