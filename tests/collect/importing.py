"""Imports of a few files, in this process or by the command; and what is stored then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from lib import wiring
from lib.collect.importer import Importer
from lib.collect.sources import find
from lib.logs.base import LogQuery
from lib.settings import Settings
from lib.window import Window

from .log_files import line_of

WINDOW = Window(datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 11, 2, tzinfo=UTC))
ROOT = Path(__file__).parents[2]


def bring_in(settings: Settings, *paths: Path) -> Importer:
    sources, problems = find([str(path) for path in paths])
    importer = Importer(settings)
    importer.tally.problems += problems
    importer.run(sources)
    return importer


def stored(settings: Settings) -> int:
    stores = wiring.open_stores(settings)
    try:
        return int(stores.logs.totals(LogQuery(WINDOW))["records"].iloc[0])
    finally:
        stores.close()


def many(path: Path, count: int, first: int = 0, pad: int = 0) -> Path:
    path.write_bytes(b"".join(line_of(f"line {i}", pad="x" * pad) for i in range(first, first + count)))
    return path


def started(data_dir: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = os.environ | {"HALO_OPS_DATA_DIR": str(data_dir)}
    command = [sys.executable, "-m", "lib.collect.backfill", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - it takes no lock
    )


def _hear_ctrl_c() -> None:
    """What a shell runs in the background is deaf to it, and so is all that this starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
