"""What unpickling a file would create, found without unpickling it: the names that its pickle asks for."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_HARMLESS = re.compile(
    r"(torch(\.storage|\.cuda)?\.\w*(Storage|Tensor)|torch\.(float|bfloat|int|uint|bool|complex|half|long|short)\w*"
    r"|torch\._utils\._rebuild_\w+|torch\.(Size|device)|torch\.nn\.parameter\.Parameter"
    r"|torch\.nn\.modules\.container\.ParameterDict|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\.\w+"
    r"|collections\.(OrderedDict|Counter|defaultdict)|builtins\.(set|bytearray|complex|getattr)"
    r"|__builtin__\.(set|bytearray|complex)|numpy(\._core|\.core)?\.(multiarray\.)?(scalar|dtype)"
    r"|numpy\.dtypes\.Float64DType|_codecs\.encode"
    r"|pytorch_lightning\.callbacks\.model_checkpoint\.ModelCheckpoint)"
)
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
MAX_PICKLE_BYTES = 200_000_000


def strange_names(path: Path) -> list[str]:
    """Names that the file asks for besides weights and plain values; they are never read. Empty for a damaged file."""
    try:
        return sorted({name for data in _pickles(path) for name in _called(data) if not _HARMLESS.fullmatch(name)})
    except (OSError, ValueError, zipfile.BadZipFile, IndexError, KeyError):
        return []


def stored_tensors(path: Path) -> int:
    """How many storages the file's tensors are in: one for each tensor, unless several share one."""
    with suppress(OSError, ValueError, zipfile.BadZipFile, IndexError, KeyError):
        return sum(opcode in ("PERSID", "BINPERSID") for data in _pickles(path) for opcode, _ in _steps(data))
    return 0


def _pickles(path: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file.read(MAX_PICKLE_BYTES)
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl") and entry.file_size <= MAX_PICKLE_BYTES:
                yield archive.read(entry)


def _called(data: bytes) -> Iterator[str]:
    """The names that a pickle imports."""
    texts: list[str] = []
    for opcode, argument in _steps(data):
        if opcode in _TEXTS:
            texts = [*texts[-1:], str(argument)]
        elif opcode == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode == "STACK_GLOBAL" and len(texts) == 2:
            yield ".".join(texts)
        elif opcode == "STOP":
            texts = []


def _steps(data: bytes) -> Iterator[tuple[str, object]]:
    """What a pickle does, and those that stand after it; what follows them is no pickle."""
    stream = io.BytesIO(data)
    with suppress(ValueError, IndexError):
        while stream.tell() < len(data):
            for opcode, argument, _ in pickletools.genops(stream):
                yield opcode.name, argument
