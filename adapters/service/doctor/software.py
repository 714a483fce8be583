"""The libraries: whether what is installed is what dagfusion requires, and which films and sounds can be written."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from adapters.service.doctor.findings import Examined, Finding

GROUP = "software"
SHOWN = ("diffusers", "transformers", "safetensors", "av")
CODECS = {
    "libx264": "MP4 films",
    "aac": "sound of MP4 films",
    "libvpx-vp9": "WebM films (VP9)",
    "libsvtav1": "WebM films (AV1)",
    "flac": "FLAC",
    "libmp3lame": "MP3",
    "libopus": "Opus",
}


def software(_around: Examined) -> Iterator[Finding]:
    """Versions against the requirements, then codecs."""
    wrong = list(_unmet())
    value = f"dagfusion {version('dagfusion')}; " + ", ".join(f"{name} {version(name)}" for name in SHOWN)
    if wrong:
        remedy = "install what requirements.lock names"
        yield Finding(GROUP, "libraries", "fail", f"{value}; not as required: {', '.join(wrong)}", remedy)
    else:
        yield Finding(GROUP, "libraries", "ok", value)
    yield _codecs()


def _unmet() -> Iterator[str]:
    for line in requires("dagfusion") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {found} ({requirement.specifier})"


def _codecs() -> Finding:
    import av
    import av.codec

    lacking = []
    for codec, purpose in CODECS.items():
        try:
            av.codec.Codec(codec, "w")
        except ValueError:  # UnknownCodecError
            lacking.append(f"{codec} for {purpose}")
    value = f"PyAV with FFmpeg {av.ffmpeg_version_info}"
    if lacking:
        remedy = "install PyAV's own wheel, which brings its FFmpeg: pip install --force-reinstall av"
        return Finding(GROUP, "codecs", "warn", f"{value}; lacks {', '.join(lacking)}", remedy)
    return Finding(GROUP, "codecs", "ok", f"{value}; writes {', '.join(CODECS)}")
