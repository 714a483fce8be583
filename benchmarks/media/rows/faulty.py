"""Rows for files that must be refused, in one clear error."""

from __future__ import annotations

from pathlib import Path

import av

from benchmarks.media import stills
from benchmarks.media.films import Film, tone
from benchmarks.media.row import Row, refused
from benchmarks.media.rows.films import joined
from benchmarks.media.spoiling import cut


def faulty_rows() -> list[Row]:
    """All of them."""
    whole = Film(sound=tone()).write
    return [
        refused("cut off before its index", "cut.mp4", cut(whole, 0.5), "film", "cut off"),
        refused("an empty file", "empty.mp4", cut(whole, 0), "film", "cut off"),
        refused("no frames", "none.mkv", _no_frames, "film", "'none.mkv'"),
        refused("another shape in mid-film", "turned.ts", joined((96, 128)), "film", "change from 128x96 to 96x128"),
        refused("a text called .mp4", "text.mp4", lambda path: path.write_text("no film"), "film", "no readable film"),
        refused("a playlist", "list.m3u8", lambda path: path.write_text(_PLAYLIST), "film", "no readable film"),
        refused("a PNG cut off", "cut.png", cut(stills.by_pillow("PNG"), 0.6), "picture", "damaged or truncated"),
        refused("a picture of 3.6 gigapixels", "bomb.png", _bomb, "picture", "megapixels"),
        refused("a text called .png", "text.png", lambda path: path.write_text("no"), "picture", "not a picture"),
        refused("a silent film as sound", "voiceless.mp4", Film(frames=3).write, "sound", "holds no sound"),
        refused("pictures of 16,000 a side", "wide.mkv", _wide, "film", "'wide.mkv'"),
        refused("a gap of a day", "gap.mkv", Film(times=[0, 0.04, 80_000.0]).write, "film", "more than 500,000 frames"),
        refused("a song with a huge cover, as a film", "song.mp3", song_with_bomb, "film", "holds no pictures"),
        refused("a text called .wav", "text.wav", lambda path: path.write_text("no sound"), "sound", "no readable"),
    ]


_PLAYLIST = "#EXTM3U\n#EXTINF:1,\nwhole.mp4\n"


def _no_frames(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        out.start_encoding()


def _wide(path: Path) -> None:
    """A small film that says that its pictures are 16,384 by 16,384."""
    data = Film(frames=3, size=(300, 300), codec="ffv1").write(path).read_bytes()
    for side in (b"\xb0\x82", b"\xba\x82"):
        data = data.replace(side + b"\x01\x2c", side + b"\x40\x00")
    path.write_bytes(data)


def song_with_bomb(path: Path, side: int = 8300) -> None:
    """A second of MP3 whose small cover would take ``side`` squared pixels."""
    picture = path.with_suffix(".png")
    stills.black_png(picture, side)
    with av.open(str(path), "w") as out, av.open(str(picture), format="png_pipe") as cover:
        track = out.add_stream("libmp3lame", rate=48000, layout="mono")
        image = out.add_stream_from_template(cover.streams.video[0])
        frame = av.AudioFrame.from_ndarray(tone(0.2, onset_s=0), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        packets = [*track.encode(frame), *track.encode(None)]
        packet = next(cover.demux(video=0))
        packet.stream = image
        out.mux([packet, *packets])


def _bomb(path: Path) -> None:
    stills.png_of_size(path, 60_000, 60_000)
