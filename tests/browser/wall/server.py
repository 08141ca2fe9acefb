"""The frame around three pages of known charts, without stores: what the chart component is tested on."""

import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(HERE)]

import streamlit as st  # noqa: E402 - the project's root comes first on the path

from lib import http, settings  # noqa: E402
from lib.status import GapStatus, ImportStatus, TargetStatus, WorkerStatus  # noqa: E402
from lib.stores import Stores  # noqa: E402
from lib.ui import pages, runtime  # noqa: E402

pages.PAGES = (
    pages.Entry(str(HERE / "charts.py"), "Charts", ":material/monitor_heart:", "", "Six charts"),
    pages.Entry(str(HERE / "states.py"), "States", ":material/error:", "states", "What a card says"),
    pages.Entry(str(HERE / "bare.py"), "Bare", ":material/speed:", "bare", "Six charts without the component"),
)


def status() -> WorkerStatus:
    now = datetime.now(UTC)
    scrapes = (
        TargetStatus("a:9090", True, 3, now, now - timedelta(seconds=6), 0.02),
        TargetStatus("b:9090", False, 3, now, now - timedelta(minutes=9), 0.02, error="refused"),
    )
    return WorkerStatus(
        now, now, now - timedelta(seconds=4), scrapes=scrapes, imports=ImportStatus(3, 9),
        gaps=GapStatus(lost=1, lost_bytes=2_500_000, unread=3), replaced={"metrics": "metrics.duckdb.corrupt-x"},
    )  # fmt: skip


SETTINGS = settings.load(demo=True)


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    nowhere = cast("Any", None)
    runtime.install(runtime.Runtime(SETTINGS, Stores(nowhere, nowhere, nowhere), status))
    yield


app = st.App(
    ROOT / "lib" / "ui" / "shell.py",
    lifespan=lifespan, routes=http.routes(status), middleware=http.middleware(SETTINGS),
)  # fmt: skip

if __name__ == "__main__":
    app.run(config={"server.address": "127.0.0.1", "server.port": int(sys.argv[1])})
