"""The pages for those who begin: every command in them runs, in a folder like a fresh checkout, one after the other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.services import free_ports

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "start").glob("*.md"))
LEFT = {  # files that are there at the end, as people who follow the page have them
    "api": ["circle.png", "star.png", "results/7_images_0.png"],
    "cloud": ["refused.json", "models.schema.json"],
    "nodes": ["output/poster_00001_.png"],
    "operate": ["ready.json"],
    "workflow": ["star/*.png", "again/*.png"],
}


def commands(page: Path) -> str:
    """The page's ``sh`` blocks, in order, as one script that leaves nothing running."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return "\n".join(["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT", *blocks])


def test_there_is_a_page_for_each_of_five_readers() -> None:
    assert [page.stem for page in PAGES] == sorted(LEFT)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.stem for page in PAGES if f"(docs/start/{page.name})" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_works(page: Path, tmp_path: Path, offline_environment: dict[str, str]) -> None:
    for name in ("graphs", "test_input.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    (port,) = free_ports(1)
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{offline_environment['PATH']}",
        "PYTHONPATH": str(ROOT / "client"),  # in place of `pip install ./client`
        "DAGFUSION_PORT": str(port),
        "DAGFUSION_DATA": str(tmp_path / "data"),
        "DAGFUSION_TEMP": str(tmp_path / "temp"),
    }
    script = commands(page).replace(":8188", f":{port}")
    with (tmp_path / "said").open("w") as said:
        started = subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path, env=offline_environment | own, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            code = started.wait(150)
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()
    assert code == 0, (tmp_path / "said").read_text()
    assert [pattern for pattern in LEFT[page.stem] if not list(tmp_path.glob(pattern))] == []
