"""Multipart forms with files of any size up to a limit: written to disk as they come, gone when they are done with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from adapters.host.settings import MIB, Settings
from adapters.service.errors import BodyTooLarge, MediaTypeRefused, RequestInvalid

_BESIDE_THE_FILE_BYTES = MIB


@asynccontextmanager
async def read_form(request: Request, settings: Settings) -> AsyncIterator[FormData]:
    """The form. Raises ``BodyTooLarge``, ``MediaTypeRefused``, and ``RequestInvalid`` for one that is broken."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise MediaTypeRefused("files are taken as multipart/form-data", remedy="send a form with a file")
    limit = settings.max_file_mib * MIB + _BESIDE_THE_FILE_BYTES
    parser = MultiPartParser(
        request.headers, _limited(request.stream(), limit), max_files=4, max_fields=20, max_part_size=MIB
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RequestInvalid(f"the form is broken: {error.message}") from error
    except (KeyError, ValueError) as error:  # no boundary; a header that cannot be read
        raise RequestInvalid("the form is broken", remedy="send multipart/form-data with a boundary") from error
    try:
        yield form
    finally:
        await form.close()


def text_of(form: FormData, name: str) -> str:
    """A text field; empty where it is missing, or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _limited(chunks: AsyncIterator[bytes], limit: int) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in chunks:
        seen += len(chunk)
        if seen > limit:
            raise BodyTooLarge(f"the upload has more than {limit // MIB} MiB", remedy="send a smaller file")
        yield chunk
