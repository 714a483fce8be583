"""Media files as people have them, read here, by the ffmpeg program and by a ComfyUI, against what they are.

``python -m benchmarks.media FOLDER [--comfyui http://127.0.0.1:8188]`` makes the files in FOLDER and prints a row each.
The exit code is 1 where one is read wrongly here. ``--speed`` also times a 1080p film against PyAV's plain loop.
"""

from __future__ import annotations

import argparse
import io
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.media_films import colours, onset_s
from benchmarks.media_rows import Row, rows

Found = Mapping[str, Any]
_TOLERANCES = {"corners": 3.0, "length_s": 0.045, "onset_s": 0.045, "sound_s": 0.045}
_STILLS = (".heic", ".avif")


def ours(path: Path) -> Found:
    """What the nodes here make of the file."""
    from nodes.media import film, images, stills

    if path.suffix in _STILLS:
        return _seen(stills.read(path)[0].pixels[0].numpy())
    found = film.look(path)
    pictures = images.image_of(found, "sdr").pixels
    audio = found.audio()
    return {
        **_seen(pictures[0].numpy()),
        "frames": len(pictures),
        "length_s": len(pictures) / float(found.clock.rate),
        **_heard(None if audio is None else audio.waveform[0].numpy(), 0 if audio is None else audio.sample_rate_hz),
    }


def by_ffmpeg(program: str, path: Path) -> Found:
    """What the ffmpeg program shows of it: its first picture, and its sound."""
    from PIL import Image

    picture = _run(program, "-i", str(path), "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-")
    found = dict(_seen(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) / 255)) if picture else {}
    if path.suffix not in _STILLS:
        sound = _run(program, "-i", str(path), "-map", "0:a:0?", "-f", "f32le", "-ac", "1", "-ar", "48000", "-")
        found |= _heard(np.frombuffer(sound, np.float32)[None] if sound else None, 48000)
        frames = _run(program, "-i", str(path), "-map", "0:v:0", "-f", "framemd5", "-").decode()
        found["frames"] = sum(1 for line in frames.splitlines() if line and not line.startswith("#"))
    return found


def by_comfyui(url: str, path: Path) -> Found:
    """What a ComfyUI (or this service) at ``url`` makes of it: LoadVideo or LoadImage, saved as PNG."""
    from PIL import Image

    still = path.suffix in _STILLS
    with httpx.Client(base_url=url, timeout=120) as http:
        with path.open("rb") as file:
            name = http.post("/upload/image", files={"image": (path.name, file)}).raise_for_status().json()["name"]
        graph: dict[str, Any] = {"9": _node("SaveImage", images=["1" if still else "2", 0], filename_prefix="media")}
        if still:
            graph["1"] = _node("LoadImage", image=name)
        else:
            graph |= {"1": _node("LoadVideo", file=name), "2": _node("GetVideoComponents", video=["1", 0])}
        outputs = _outputs(http, http.post("/prompt", json={"prompt": graph}).raise_for_status().json()["prompt_id"])
        files = outputs.get("9", {}).get("images", [])
        if not files:
            return {}
        query = {"filename": files[0]["filename"], "subfolder": files[0]["subfolder"], "type": files[0]["type"]}
        picture = Image.open(io.BytesIO(http.get("/view", params=query).content)).convert("RGB")
    return {**_seen(np.asarray(picture) / 255), "frames": len(files)}


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _outputs(http: httpx.Client, prompt_id: str) -> Mapping[str, Any]:
    while True:
        history = http.get(f"/history/{prompt_id}").json()
        if prompt_id in history:
            outputs: Mapping[str, Any] = history[prompt_id]["outputs"]
            return outputs
        time.sleep(0.2)


def _run(program: str, *arguments: str) -> bytes:
    return subprocess.run([program, "-v", "quiet", *arguments], capture_output=True, check=False).stdout


def _seen(picture: np.ndarray) -> dict[str, Any]:
    return {"size": (picture.shape[1], picture.shape[0]), "corners": colours(picture[..., :3])}


def _heard(waveform: np.ndarray | None, rate_hz: int) -> dict[str, Any]:
    if waveform is None:
        return {"sound_s": 0.0, "onset_s": math.nan, "channels": 0}
    return {
        "sound_s": waveform.shape[-1] / rate_hz,
        "onset_s": onset_s(waveform[None], rate_hz),
        "channels": len(waveform),
    }


def faults(row: Row, found: Found) -> list[str]:
    """What differs from what the file is; values that were not looked at do not count."""
    said = []
    for key, wanted in row.expected.items():
        if key not in found:
            continue
        tolerance = row.tolerances.get(key, _TOLERANCES.get(key, 0.0))
        off = float(np.abs(np.asarray(found[key], dtype=float) - np.asarray(wanted, dtype=float)).max())
        if not off <= tolerance:
            value = "off by " + f"{off:.0f}" if key == "corners" else found[key]
            said.append(f"{key} {value}")
    return said


def _told(row: Row, look: Callable[[Path], Found], path: Path) -> str:
    try:
        found = look(path)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is a row of the table
        return f"{type(error).__name__}: {error}"[:60]
    return ("right" if found else "nothing") if not (wrong := faults(row, found)) else ", ".join(wrong)[:60]


def ffmpeg_program() -> str | None:
    """The ffmpeg on the path, or the one that imageio-ffmpeg brings."""
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            import imageio_ffmpeg

            return str(imageio_ffmpeg.get_ffmpeg_exe())
        except (ImportError, RuntimeError):
            return None
    return found


def main() -> int:
    """Make the files, look at them, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--comfyui", help="address of a ComfyUI to compare with")
    parser.add_argument("--speed", action="store_true", help="time a 1080p film against PyAV's plain loop")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    program = ffmpeg_program()
    columns: dict[str, Callable[[Path], Found]] = {"here": ours}
    if program:
        columns["ffmpeg"] = lambda path: by_ffmpeg(program, path)
    if options.comfyui:
        columns["comfyui"] = lambda path: by_comfyui(options.comfyui, path)
    print(f"{'file':34}" + "".join(f"{name:44}" for name in columns))
    wrong = 0
    for row in rows():
        path = options.folder / row.file
        row.make(path)
        told = {name: _told(row, look, path) for name, look in columns.items()}
        wrong += told["here"] != "right"
        print(f"{row.name:34}" + "".join(f"{text:44}" for text in told.values()))
    print(f"{wrong} of {len(rows())} rows wrong here")
    if options.speed:
        from benchmarks.media_speed import print_speed

        print_speed(options.folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
