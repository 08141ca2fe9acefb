"""The server: starts the collection, opens the stores, serves the pages. Run it with `python app.py`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st

from lib import http, own_log, settings, wiring
from lib.alerts.api import AlertApi
from lib.collect.giving_way import after_an_import
from lib.errors import OpsError, SettingsError, SourceUnavailable
from lib.heartbeats import api as heartbeats
from lib.heartbeats.log import HeartbeatLog
from lib.identity.sign_in import OpenIdConnect
from lib.settings import Settings
from lib.status import WorkerStatus
from lib.ui import oidc, runtime
from lib.ui.checklists import api as checklists
from lib.worker import Worker

WARM = ("pandas", "lib.signals", "lib.ui.live_chart", "lib.ui.range_controls", "lib.ui.header", "lib.ui.panel")
STOP_WITHIN_S = 2.5
_log = logging.getLogger("halo_ops")


def load_settings() -> tuple[Settings, OpenIdConnect | None]:
    """The settings of this process and of its sign-in. A wrong one, or a mistake in the rules or checklists that they name, is
    printed plainly and ends it with exit code 2."""
    try:
        loaded = settings.load()
        if unused := settings.unknown_settings():
            say("Not used:", *unused)
        wiring.check_files(loaded)
        return loaded, oidc.sign_in(loaded)
    except SettingsError as error:
        say("The settings are wrong:", *str(error).splitlines())
        raise SystemExit(2) from None


def open_or_end() -> tuple[wiring.OpenStores, Worker]:
    """The stores and what fills them; where that cannot be, the reason is printed plainly and the process ends with exit
    code 3."""
    try:
        stores = after_an_import(lambda: wiring.open_stores(SETTINGS), SETTINGS.data_dir)
        return stores, Worker(SETTINGS, stores)
    except OpsError as error:
        say("The stores cannot be opened:", str(error))
        raise SystemExit(3) from None


def say(*lines: str) -> None:
    """A plain word to whoever started the process, where a log may not be read yet."""
    print(*lines, sep="\n  ", file=sys.stderr, flush=True)  # noqa: T201 - the start's own words


SETTINGS, OIDC = load_settings()


def status() -> WorkerStatus:
    """How the collection stands; raises RuntimeError before the start."""
    now = runtime.current().status()
    if now is None:
        raise RuntimeError("no collection runs in this process")
    return now


API = AlertApi(SETTINGS.api_token, lambda: runtime.current().state)


def heartbeat_log() -> HeartbeatLog:
    """Where heartbeats are kept. Raises SourceUnavailable before the start and after the end."""
    state = runtime.current().state if runtime.installed() else None
    if state is None:
        raise SourceUnavailable("the dashboard is not ready", HeartbeatLog.name)
    return HeartbeatLog(state)


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Stores and worker live as long as the server; everything imported by then is left out of later collections."""
    stores, worker = open_or_end()
    worker.start()
    API.dispatch = worker.dispatch
    runtime.install(
        runtime.Runtime(
            SETTINGS,
            stores.stores,
            worker.status,
            stores.state,
            worker.apply_retention,
            checklists=stores.checklists,
            rulebook=stores.rulebook,
        )
    )
    for module in WARM:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if await asyncio.to_thread(worker.stop, STOP_WITHIN_S):
            stores.close()
        runtime.install(None)


def on_script_error(error: BaseException) -> bool:
    """A page broke: the viewer gets a number, the log the rest."""
    reference = uuid.uuid4().hex[:8]
    _log.error("page failed, reference %s", reference, exc_info=error)
    st.error(f"This page could not be drawn. Reference {reference}: the dashboard's log has the reason under it.")
    return True


app = st.App(
    Path(__file__).parent / "lib" / "ui" / "shell.py",
    lifespan=lifespan,
    routes=http.routes(status, [*API.routes(), *heartbeats.routes(SETTINGS, heartbeat_log), *checklists.routes()]),
    middleware=http.middleware(SETTINGS, OIDC),
    on_script_error=on_script_error,
)

if __name__ == "__main__":
    own_log.set_up(SETTINGS.log_level)
    app.run(
        config={
            "server.address": SETTINGS.address,
            "server.port": SETTINGS.port,
            "server.corsAllowedOrigins": [f"https://{host}" for host in SETTINGS.hosts],
        }
    )
