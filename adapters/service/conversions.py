"""Pictures of jobs in other formats: converted when they are first asked for, kept as blobs."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from adapters.service.blobs.store import BlobStore
from adapters.service.blobs.writer import Blob
from adapters.service.errors import MediaTypeRefused
from engine.inputs import MAX_SIDE_PX

if TYPE_CHECKING:
    from PIL.Image import Image

PictureFormat = Literal["png", "jpeg", "webp"]
DEFAULT_QUALITY = 90
SUFFIXES: Mapping[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_KEPT = 10_000
_AT_A_TIME = 2


class Conversions:
    """Remembers which blob is the conversion of which. Thread-safe; no more than two conversions run at a time.

    This memory is lost with the process, and the blobs are deleted like others that nothing refers to; then the
    conversion is made again.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: OrderedDict[tuple[str, str, int], Blob] = OrderedDict()
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_AT_A_TIME)

    def get(self, digest: str, format: PictureFormat, quality: int = DEFAULT_QUALITY) -> Blob:
        """The blob of the picture in ``format``. ``quality``: 1 to 100, for JPEG and WebP.

        Raises ``BlobMissing``, and ``MediaTypeRefused`` where the blob is no picture.
        """
        key = (digest, format, 0 if format == "png" else quality)
        with self._lock:
            known = self._known.get(key)
        if known is not None and self._blobs.exists(known.digest):
            return known
        with self._slots:
            made = self._blobs.put_bytes(self._convert(digest, format, quality))
        with self._lock:
            self._known[key] = made
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made

    def _convert(self, digest: str, format: PictureFormat, quality: int) -> bytes:
        from PIL import Image, UnidentifiedImageError

        Image.MAX_IMAGE_PIXELS = None  # counted here: Pillow's bound is one for the whole process
        with self._blobs.open(digest) as file:
            try:
                with Image.open(file) as picture:
                    if picture.width * picture.height > MAX_SIDE_PX**2:  # nodes make no larger ones
                        raise ValueError(f"{picture.width}x{picture.height} pixels are too many")
                    return _encoded(picture, format, quality)
            except (UnidentifiedImageError, ValueError, OSError) as error:
                raise MediaTypeRefused(
                    f"this output cannot be given as {format}: {error}", remedy="ask for it without a format"
                ) from error


def media_type_of(format: PictureFormat) -> str:
    """The format's media type."""
    return f"image/{format}"


def _encoded(picture: Image, format: PictureFormat, quality: int) -> bytes:
    animated = getattr(picture, "n_frames", 1) > 1 and format != "jpeg"
    options: dict[str, Any] = {} if format == "png" else {"quality": quality}
    if animated:
        options |= {"save_all": True, "duration": picture.info.get("duration", 100), "loop": 0}
    elif format == "jpeg":
        picture = _on_white(picture)
    elif picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGBA" if "A" in picture.mode or "transparency" in picture.info else "RGB")
    target = io.BytesIO()
    picture.save(target, format=format.upper(), **options)
    return target.getvalue()


def _on_white(picture: Image) -> Image:
    """JPEG has no transparency."""
    from PIL import Image

    if "A" not in picture.mode and "transparency" not in picture.info:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")
