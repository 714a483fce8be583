#!/usr/bin/env bash
# gguf 0.19.0: GGUFReader makes several small arrays of every text in an array of the header. A file that holds no more
# than a tokenizer of 150,000 tokens (3 MB, the size of Qwen's) takes over 50 times its size in memory to open, and
# seconds, before any tensor is looked at. Way out: read the header by hand, and leave the texts where they are.
# Seen with numpy 2.4.6, Python 3.11. Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q gguf==0.19.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import os
import resource
import time

import gguf
import numpy as np

writer = gguf.GGUFWriter("tokens.gguf", "llama")
writer.add_token_list([f"token {number}" for number in range(150_000)])
writer.add_tensor("w", np.zeros((4, 4), np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
del writer

if os.fork() == 0:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    reader = gguf.GGUFReader("tokens.gguf")
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    size = os.path.getsize("tokens.gguf")
    print(f"file {size / 1e6:.1f} MB; opened in {took:.1f} s; memory grew by {grown / 1e6:.0f} MB, {grown / size:.0f} times")
    os._exit(0 if grown > 20 * size else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))
PY
