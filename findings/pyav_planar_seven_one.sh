#!/usr/bin/env bash
# PyAV 18.1.0: an AudioFrame of eight channels and a planar format has nine planes, so that AudioFrame.from_ndarray
# raises IndexError for 7.1 (fltp, s16p, dblp). 5.1 and stereo work, and so does 7.1 in an interleaved format.
# Way out: make the frame by hand and fill frame.planes[:8], or hand over interleaved samples.
# Seen with numpy 2.4.6, Python 3.11. Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.1.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np


def raised(channels: int, layout: str, form: str, kind: type) -> str:
    shape = (channels, 64) if form.endswith("p") else (1, 64 * channels)
    try:
        av.AudioFrame.from_ndarray(np.zeros(shape, kind), format=form, layout=layout)
    except IndexError as error:
        return str(error)
    return ""


assert not raised(2, "stereo", "fltp", np.float32)
assert not raised(6, "5.1", "fltp", np.float32)
assert not raised(8, "7.1", "s16", np.int16)
for form, kind in (("fltp", np.float32), ("s16p", np.int16), ("dblp", np.float64)):
    error = raised(8, "7.1", form, kind)
    print(f"av {av.__version__}, 7.1 {form}: {error or 'works now'}")
    assert "out of bounds" in error
planes = len(av.AudioFrame(format="fltp", layout="7.1", samples=64).planes)
print("planes of a 7.1 fltp frame:", planes)
assert planes == 9
PY
