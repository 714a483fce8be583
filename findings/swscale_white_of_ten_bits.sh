#!/usr/bin/env bash
# libswscale 9.5.102 (PyAV 18.1.0): white of a limited-range film with 10 bits (Y 940, U and V 512) becomes 253 in rgb24,
# 65283 in rgb48le and 0.9962 in gbrpf32le. The same white with 8 bits (Y 235) becomes 255 in rgb24, but 65021 in
# rgb48le. So an HDR or ProRes film read through to_ndarray(format="rgb24") is never quite white, and a reader that asks
# for more bits gets a darker picture. Way out: read the planes and do the matrix oneself.
# Seen with numpy 2.4.6, Python 3.11. Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np


def white(form: str, luma: int, chroma: int, kind: type) -> av.VideoFrame:
    frame = av.VideoFrame(64, 64, form)
    for place, plane in enumerate(frame.planes):
        samples = np.full(plane.buffer_size // np.dtype(kind).itemsize, chroma if place else luma, kind)
        plane.update(samples.tobytes())
    return frame


print("libswscale", av.library_versions["libswscale"])
frames = {8: white("yuv420p", 235, 128, np.uint8), 10: white("yuv420p10le", 940, 512, np.uint16)}
seen = {
    (bits, form): frame.reformat(format=form).to_ndarray().max().item()
    for bits, frame in frames.items()
    for form in ("rgb24", "rgb48le", "gbrpf32le")
}
print(seen)
assert seen[8, "rgb24"] == 255
assert seen[8, "rgb48le"] == 65021
assert seen[10, "rgb24"] == 253
assert seen[10, "rgb48le"] == 65283
assert round(seen[10, "gbrpf32le"], 4) == 0.9962
PY
