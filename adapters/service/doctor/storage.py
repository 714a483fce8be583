"""Folders and the database: whether they are there, can be written to, and have room."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adapters.host.models.sites import shown
from adapters.host.models.space import existing
from adapters.host.private_folder import open_to_all
from adapters.service.doctor.findings import Examined, Finding, gigabytes
from engine.folders import KINDS, Folders, model_folders

GROUP = "storage"
LOW_DISK_BYTES = 5e9
CONNECT_TIMEOUT_S = 5


def storage(around: Examined) -> Iterator[Finding]:
    """The folders that dagfusion reads from and writes to."""
    settings = around.settings
    if not settings.models:
        remedy = "name a ComfyUI models folder with --models or DAGFUSION_MODELS"
        yield Finding(GROUP, "models", "warn", "no folder is named: the embedded models alone are there", remedy)
    for folder in settings.models:
        yield _models(folder)
    for use in ("output", "temp", "data"):
        yield _writable(use, getattr(settings, use))
    if open_to_all(settings.data):
        value = f"every user of this machine can read {settings.data.absolute()}, and webhooks' secrets are in it"
        yield Finding(GROUP, "privacy", "warn", value, f"chmod 700 {settings.data.absolute()}")
    if "://" in settings.blobs:
        yield Finding(GROUP, "blobs", "ok", f"{shown(settings.blobs)} (not examined: the first job will tell)")
    elif settings.blobs:
        yield _writable("blobs", Path(settings.blobs))


def database(around: Examined) -> Iterator[Finding]:
    """Whether the database of the queue answers. Nothing is written to it."""
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    from adapters.service.store.database import parse_url
    from adapters.service.store.outage import reason_of

    settings = around.settings
    url = parse_url(settings.database)
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        yield Finding(GROUP, "database", "ok", f"{shown} (one machine; PostgreSQL is for several)")
        return
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
    except ModuleNotFoundError as error:
        yield Finding(GROUP, "database", "fail", f"{error.name} is not installed", "install dagfusion[postgres]")
    except (SQLAlchemyError, OSError) as error:
        remedy = "check DAGFUSION_DATABASE_URL, and that the server runs and lets this machine in"
        yield Finding(GROUP, "database", "fail", f"{shown}: {reason_of(error)}", remedy)
    else:
        yield Finding(GROUP, "database", "ok", f"{shown}, PostgreSQL {version}")


def _models(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding(GROUP, "models", "fail", f"{folder} is not there", "--models takes a 'models' folder")
    folders = Folders(model_folders([folder]))
    count = sum(len(folders.files(kind)) for kind in KINDS)
    return _with_room("models", folder, f"{folder}, {count} files")


def _writable(use: str, folder: Path) -> Finding:
    place = existing(folder)  # what is not there yet is made when it is needed
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        value = f"{folder.absolute()} cannot be written to: {error.strerror}"
        return Finding(GROUP, use, "fail", value, f"name another folder with DAGFUSION_{use.upper()}")
    return _with_room(use, place, str(folder.absolute()))


def _with_room(use: str, folder: Path, value: str) -> Finding:
    free = shutil.disk_usage(folder).free
    value = f"{value}, {gigabytes(free)} free"
    if free < LOW_DISK_BYTES:
        return Finding(GROUP, use, "warn", value, "make room: one SDXL checkpoint takes 7 GB")
    return Finding(GROUP, use, "ok", value)
