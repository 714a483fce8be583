"""Makes ``dagfusion_client/_sync`` from ``_async``: ``python -m client.generate_sync``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from unasync import Rule, unasync_files

PACKAGE = Path(__file__).parent / "dagfusion_client"
_NOTICE = "# Generated from ../_async by `python -m client.generate_sync`.\n"
_NAMES = {
    "AsyncClient": "Client",
    "_async": "_sync",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "anyio": "time",
    "aread": "read",
    "asyncio": "sync",  # of websockets
}
_RUFF = (sys.executable, "-m", "ruff")


def generated() -> dict[str, str]:
    """The files' texts, by name, as ``_async`` is now."""
    with tempfile.TemporaryDirectory(dir=PACKAGE.parent) as folder:
        shutil.copytree(
            PACKAGE / "_async", f"{folder}/_async", ignore=shutil.ignore_patterns("__pycache__", "__init__.py")
        )
        rule = Rule("/_async/", "/_sync/", additional_replacements=_NAMES)
        unasync_files([str(path) for path in Path(folder, "_async").glob("*.py")], [rule])
        made = Path(folder, "_sync")
        subprocess.run([*_RUFF, "check", "-q", "--fix", "--unsafe-fixes", "--select", "I,UP028", made], check=True)  # noqa: S603
        subprocess.run([*_RUFF, "format", "-q", made], check=True)  # noqa: S603
        return {path.name: _NOTICE + path.read_text() for path in sorted(made.glob("*.py"))}


if __name__ == "__main__":
    for name, text in generated().items():
        (PACKAGE / "_sync" / name).write_text(text)
