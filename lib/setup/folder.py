"""Checks the data folder: that it can be written, and how much room is left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lib.settings import Settings
from lib.setup.base import Check, Grade, Row, size
from lib.stores import Stores

LOW_BYTES, LOW_SHARE = 2 * 2**30, 0.05
_SUFFIXES = (".duckdb", ".sqlite")


def data_folder(settings: Settings, _stores: Stores) -> Check:
    """Whether a file can be written there, the room that is left, and the files of the stores."""

    def ask() -> list[Row]:
        folder = settings.data_dir.absolute()
        return [_writable(folder), *([_room(folder)] if folder.exists() else []), *_files(folder)]

    return Check("data_folder", "Data folder", "Where the embedded stores lie.", ask)


def _writable(folder: Path) -> Row:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        hint = f"Let this process write to {folder}, or set HALO_OPS_DATA_DIR to a folder that it may write to."
        return Row(str(folder), Grade.FAILED, error.strerror or type(error).__name__, hint)
    return Row(str(folder), Grade.OK, "can be written")


def _room(folder: Path) -> Row:
    usage = shutil.disk_usage(folder)
    said = f"{usage.free / 2**30:,.1f} GiB free of {usage.total / 2**30:,.1f}"
    if usage.free < LOW_BYTES or usage.free < LOW_SHARE * usage.total:
        return Row(
            "room", Grade.WARNING, said, "Make room, or keep less: HALO_OPS_RETENTION_LOGS_DAYS and _METRICS_DAYS."
        )
    return Row("room", Grade.OK, said)


def _files(folder: Path) -> list[Row]:
    paths = sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)
    return [Row(path.name, Grade.OK, size(path.stat().st_size)) for path in paths]
