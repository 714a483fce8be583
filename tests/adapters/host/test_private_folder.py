"""What dagfusion makes for its data is nobody else's, whoever makes it first."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.host.secret import load_secret
from adapters.host.settings import Settings
from adapters.service.blobs.store import BlobStore
from adapters.service.store import Store


@pytest.mark.parametrize(
    "make",
    [
        lambda settings: Store(settings.database).close(),
        lambda settings: BlobStore(settings.blob_url),
        load_secret,
    ],
    ids=["database", "blobs", "secret"],
)
def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path, make: Callable[[Settings], object]) -> None:
    data = tmp_path / "share" / "dagfusion"
    make(Settings(data=data))
    made = [data, *data.rglob("*")]
    folders = {stat.S_IMODE(one.stat().st_mode) for one in (data.parent, *made) if one.is_dir()}
    assert folders == {0o700}
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in made if one.name == "secret")


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o750)
    load_secret(Settings(data=data))
    assert stat.S_IMODE(data.stat().st_mode) == 0o750
