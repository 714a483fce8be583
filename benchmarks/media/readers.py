"""What readers make of a media file: the nodes here, the ffmpeg program, a ComfyUI."""

from __future__ import annotations

import io
import math
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

from benchmarks.media.films import colours, frame_number, onset_s
from benchmarks.media.row import Row

Found = Mapping[str, Any]
_SOUNDS = (".flac", ".mp3", ".opus")


def ours(row: Row, path: Path) -> Found:
    """What the nodes here make of the file."""
    from nodes.media import film, images, sound, stills

    if row.kind == "picture":
        image, mask = stills.read(path)
        alpha = (1 - mask) if tuple(mask.shape[1:]) == tuple(image.pixels.shape[1:3]) else None
        return {**_seen(image.pixels.numpy(), row), **_alpha(None if alpha is None else alpha[0].numpy())}
    if row.kind == "sound" or (row.kind == "written" and path.suffix in _SOUNDS):
        audio = sound.read(path)
        return {**_heard(audio.waveform[0].numpy(), audio.sample_rate_hz), **_bits(path)}
    found = film.look(path)
    pixels = images.image_of(found, "sdr").pixels.numpy()
    heard = found.audio()
    return {
        **_seen(pixels, row),
        **_alpha(pixels[0, ..., 3] if pixels.shape[-1] == 4 else None),
        "rate": float(found.clock.rate),
        "length_s": len(pixels) / float(found.clock.rate),
        **_heard(None if heard is None else heard.waveform[0].numpy(), 0 if heard is None else heard.sample_rate_hz),
        **_tags(path),
    }


def by_ffmpeg(program: str, row: Row, path: Path) -> Found:
    """What the ffmpeg program shows of it: its first picture, how many there are, and its sound."""
    from PIL import Image

    found: dict[str, Any] = {}
    if row.kind != "sound" and path.suffix not in _SOUNDS:
        picture = _run(program, "-i", str(path), "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-")
        if picture:
            found |= _seen(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[None] / 255, row)
            found.pop("numbers", None)
            lines = _run(program, "-i", str(path), "-map", "0:v:0", "-f", "framemd5", "-").decode().splitlines()
            found["frames"] = sum(1 for line in lines if line and not line.startswith("#"))
    if row.kind != "picture":
        sound = _run(program, "-i", str(path), "-map", "0:a:0?", "-f", "f32le", "-ac", "1", "-ar", "48000", "-")
        if sound or found:
            found |= _heard(np.frombuffer(sound, np.float32)[None] if sound else None, 48000)
            del found["channels"]
    return found


def _run(program: str, *arguments: str) -> bytes:
    return subprocess.run([program, "-v", "quiet", *arguments], capture_output=True, check=False).stdout


def by_comfyui(url: str, row: Row, path: Path) -> Found:
    """What a ComfyUI (or this service) at ``url`` makes of it, saved as PNG and FLAC.

    Raises ``RuntimeError`` with what it says where it refuses the file.
    """
    with httpx.Client(base_url=url, timeout=120) as http:
        with path.open("rb") as file:
            name = http.post("/upload/image", files={"image": (path.name, file)}).raise_for_status().json()["name"]
        outputs = _outputs(http, _graph(row, name))
        found: dict[str, Any] = {}
        if pictures := outputs.get("pictures", {}).get("images", []):
            shown = [_picture(_file(http, each)) for each in pictures[: 1 + 31 * ("numbers" in row.expected)]]
            found |= {**_seen(np.stack(shown)[..., :3], row), "frames": len(pictures)}
        if sounds := outputs.get("sound", {}).get("audio", []):
            found |= _flac(_file(http, sounds[0]))
        if rates := outputs.get("rate", {}).get("text", []):
            found |= {"rate": float(rates[0]), "length_s": found.get("frames", 0) / float(rates[0])}
    return found


def _graph(row: Row, name: str) -> Mapping[str, Any]:
    save_pictures = {"filename_prefix": "media", "images": ["load", 0]}
    save_sound = {"filename_prefix": "media", "audio": ["load", 0]}
    if row.kind == "picture":
        return {"load": _node("LoadImage", image=name), "pictures": _node("SaveImage", **save_pictures)}
    if row.kind == "sound":
        return {"load": _node("LoadAudio", audio=name), "sound": _node("SaveAudio", **save_sound)}
    graph = {
        "film": _node("LoadVideo", file=name),
        "load": _node("GetVideoComponents", video=["film", 0]),
        "pictures": _node("SaveImage", **save_pictures),
        "rate": _node("PreviewAny", source=["load", 2]),
    }
    if row.expected.get("sound_s", row.expected.get("onset_s", row.expected.get("channels", 0))):
        graph["sound"] = _node("SaveAudio", filename_prefix="media", audio=["load", 1])
    return graph


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _outputs(http: httpx.Client, graph: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = http.post("/prompt", json={"prompt": graph})
    if answer.is_error:
        raise RuntimeError(answer.text)
    prompt_id = answer.json()["prompt_id"]
    while prompt_id not in (history := http.get(f"/history/{prompt_id}").json()):
        time.sleep(0.05)
    messages = dict(history[prompt_id].get("status", {}).get("messages", []))
    if error := messages.get("execution_error"):
        raise RuntimeError(error.get("exception_message", "refused"))
    outputs: Mapping[str, Any] = history[prompt_id]["outputs"]
    return outputs


def _file(http: httpx.Client, told: Mapping[str, str]) -> bytes:
    query = {"filename": told["filename"], "subfolder": told["subfolder"], "type": told["type"]}
    return http.get("/view", params=query).raise_for_status().content


def _picture(data: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def _flac(data: bytes) -> Found:
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=track.layout.name, rate=track.rate)
        parts = [part.to_ndarray() for frame in container.decode(track) for part in resampler.resample(frame)]
        return _heard(np.concatenate(parts, axis=1), track.rate)


def _seen(pictures: np.ndarray, row: Row) -> dict[str, Any]:
    first = pictures[0, ..., :3]
    found: dict[str, Any] = {"size": (first.shape[1], first.shape[0]), "frames": len(pictures)}
    if "corners" in row.expected:
        found["corners"] = colours(first)
    if "numbers" in row.expected:
        found["numbers"] = [frame_number(picture) for picture in pictures]
    if "combed" in row.expected:
        last = pictures[len(pictures) // 2, ..., 0]
        found["combed"] = 255 * float(np.abs(last[1:-1] - (last[:-2] + last[2:]) / 2).mean())
    return found


def _alpha(alpha: np.ndarray | None) -> dict[str, Any]:
    """Its level in the lower half."""
    return {"alpha": 255.0 if alpha is None else 255 * float(alpha[3 * len(alpha) // 4].mean())}


def _heard(waveform: np.ndarray | None, rate_hz: int) -> dict[str, Any]:
    if waveform is None:
        return {"sound_s": 0.0, "onset_s": math.nan, "channels": 0}
    return {
        "sound_s": waveform.shape[-1] / rate_hz,
        "onset_s": onset_s(waveform[None], rate_hz),
        "channels": len(waveform),
    }


def _tags(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {"tags": (int(stream.colorspace), int(stream.color_primaries), int(stream.color_trc))}


def _bits(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        return {"bits": {"s32": 24, "s32p": 24}.get(container.streams.audio[0].format.name, 16)}
