"""What a job made, as the native API shows it: a URL for each file, contents inline where they were asked for."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from adapters.doors.http.services import Services
from adapters.host.settings import MIB
from adapters.service.blobs.links import signed_query
from adapters.service.conversions import DEFAULT_QUALITY, SUFFIXES, PictureFormat, media_type_of
from adapters.service.store.records import Job, Output

Delivery = Literal["url", "inline", "auto"]
HOUR_S = 3600


class OutputOptions(BaseModel):
    """How outputs are to come back. ``format`` and ``quality`` hold for still pictures."""

    format: PictureFormat | None = Field(default=None, description="Convert pictures to this; as made if left out.")
    quality: int = Field(default=DEFAULT_QUALITY, ge=1, le=100, description="Of JPEG and WebP.")
    delivery: Delivery = Field(
        default="url",
        description=(
            "`url`: a download link for each file. `auto`: also base64, for files up to the service's inline limit. "
            "`inline`: also base64, as long as all of them together fit into one reply."
        ),
    )


class OutputDocument(BaseModel):
    """One thing that an output node made: a file (`url`, perhaps `base64`), or a `value` such as a text.

    A value above 64 KiB is a file too: text, or JSON.
    """

    name: str = Field(description="Unique within the job.", examples=["9_images_0.png"])
    node_id: str
    class_type: str
    kind: str = Field(description="What ComfyUI's clients call it: images, audio, text ...", examples=["images"])
    cached: bool = Field(description="Whether the node's result came from the cache.")
    media_type: str | None = Field(default=None, examples=["image/png"])
    size_bytes: int | None = None
    filename: str | None = Field(
        default=None,
        description="The name under which the node saved it, with the suffix of the format that it comes in.",
    )
    url: str | None = Field(default=None, description="Good without a key, for a day or as long as the service says.")
    base64: str | None = Field(default=None, description="The file's contents, where they were asked for inline.")
    value: Any = Field(default=None, description="What the node showed, where it is no file: at most 64 KiB.")


@dataclass(frozen=True, slots=True)
class Terms:
    """How outputs are handed out.

    Files of up to ``most_bytes`` come inline as well, of up to ``room_bytes`` together. Links begin with ``address``
    and are good for the service's time from ``since`` (Unix seconds), counted from the full hour, so that a link stays
    the same for a while and browsers can cache what it leads to.
    """

    most_bytes: int
    room_bytes: int
    address: str
    since: float


def output_documents(job: Job, now: Services, delivery: Delivery | None = None) -> list[OutputDocument]:
    """The documents of an ended job's outputs; ``delivery`` wins over what the job asked for. Reads files."""
    room_bytes = now.settings.max_body_mib * MIB
    most_bytes = {"url": -1, "auto": now.settings.inline_limit_kib * 1024, "inline": room_bytes}
    chosen = delivery or options_of(job).delivery
    return documents_on(Terms(most_bytes[chosen], room_bytes, now.settings.public_url, time.time()), job, now)


def documents_on(terms: Terms, job: Job, now: Services) -> list[OutputDocument]:
    """The same, on terms of the caller's own."""
    return list(_documents(job, now.store.jobs.outputs(job.id), terms, now))


def link_name(job_id: str, name: str) -> str:
    """What a link to an output is signed for: that one alone, though another job may have made the same file."""
    return f"{job_id}/{name}"


def options_of(job: Job) -> OutputOptions:
    """What the job asked for."""
    return OutputOptions.model_validate(job.options.get("output") or {})


def converts(output: Output, format: PictureFormat | None) -> bool:
    """Whether the output comes in another format than it was made in."""
    return format is not None and is_picture(output) and output.media_type != media_type_of(format)


def is_picture(output: Output) -> bool:
    """Whether the output is a picture file."""
    return output.digest is not None and (output.media_type or "").startswith("image/")


def download_name(output: Output, format: PictureFormat | None) -> str:
    """The file's name for those who save it."""
    return _named_as(output.name, output, format)


def _named_as(name: str, output: Output, format: PictureFormat | None) -> str:
    """``name`` with the suffix of the format that the output comes in."""
    return name if format is None or not converts(output, format) else str(PurePath(name).with_suffix(SUFFIXES[format]))


def _documents(job: Job, outputs: Sequence[Output], terms: Terms, now: Services) -> Iterator[OutputDocument]:
    options, room_bytes = options_of(job), terms.room_bytes
    for output in outputs:
        document = OutputDocument(
            name=output.name,
            node_id=output.node_id,
            class_type=output.class_type,
            kind=output.kind,
            cached=output.cached,
            media_type=output.media_type,
            size_bytes=output.size_bytes,
            filename=output.filename,
            value=output.data,
        )
        if output.digest is not None:
            document.url = _url(job, output, options, terms, now)
            converted = converts(output, options.format)
            if converted and options.format is not None:
                document.media_type, document.size_bytes = media_type_of(options.format), None
                document.filename = output.filename and _named_as(output.filename, output, options.format)
            if terms.most_bytes >= 0:
                room_bytes -= _put_in(document, output, options, now, min(terms.most_bytes, room_bytes))
        yield document


def _put_in(document: OutputDocument, output: Output, options: OutputOptions, now: Services, most_bytes: int) -> int:
    """Give ``document`` the file's contents where they fit; how many bytes they are."""
    digest, size = output.digest or "", output.size_bytes or 0
    if options.format is not None and converts(output, options.format):
        blob = now.conversions.get(digest, options.format, options.quality)
        digest, size = blob.digest, blob.size_bytes
        document.size_bytes = size
    if size > most_bytes:
        return 0
    document.base64 = base64.b64encode(b"".join(now.blobs.chunks(digest))).decode()
    return size


def _url(job: Job, output: Output, options: OutputOptions, terms: Terms, now: Services) -> str:
    lifetime_s = now.settings.link_hours * HOUR_S
    hour = terms.since // HOUR_S * HOUR_S
    name = link_name(job.id, output.name)
    query = signed_query(now.secret, output.digest or "", name, lifetime_s + HOUR_S, now=hour)
    extra: Mapping[str, object] = {}
    if converts(output, options.format):
        extra = {"format": options.format} | ({} if options.format == "png" else {"quality": options.quality})
    query = "&".join([*(f"{name}={value}" for name, value in extra.items()), query])
    base = terms.address.rstrip("/")
    return f"{base}/v1/jobs/{quote(job.id, safe='')}/outputs/{quote(output.name, safe='')}?{query}"
