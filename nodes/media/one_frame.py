"""What a film's encoder leaves of a picture."""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

PRESET = "veryfast"
MOST_CRF = 51


def encoded_and_decoded(picture: NDArray[np.uint8], crf: int) -> NDArray[np.uint8]:
    """``picture``, uint8[height, width, 3] of even sides, as a film of one frame in H.264 shows it; same shape.

    ``crf``: H.264's constant rate factor, which is no larger than 51.
    """
    with BytesIO() as file:
        with av.open(file, "w", format="mp4") as written:
            stream = written.add_stream("libx264", rate=1, options={"crf": str(min(crf, MOST_CRF)), "preset": PRESET})
            stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            written.mux(stream.encode(frame))
            written.mux(stream.encode())
        file.seek(0)
        with av.open(file) as read:
            made: NDArray[np.uint8] = next(read.decode(video=0)).to_ndarray(format="rgb24")
    return made
