"""A worker whose state database fails for a while, as a process of its own: prints what it saw as one JSON object.

`state_child.py <way> <folder>`: way `locked` (another process keeps it), `full` (no space left) or `sync` (writes fail).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[2]))

from lib.alerts.api import AlertApi, Tally
from lib.alerts.tables import AlertRow, RuleStateRow, StoryRow
from lib.settings import Settings
from lib.state import database
from lib.status_metrics import StatusCollector
from lib.wiring import OpenStores, open_stores
from lib.worker import Worker
from tests import fault_server as faults
from tests.alerts.pushing import HEADERS, TOKEN, alert, delivery
from tests.fault_server import FaultServer

RULES = """
groups:
  - name: fast
    interval: 1s
    rules:
      - alert: QueueBacklog
        expr: queue_size > 1000
        for: 1s
        labels: {severity: critical}
"""
LOCK = """
import sqlite3, sys
kept = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
kept.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def until(condition: Callable[[], object], what: str, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


@contextmanager
def locked(small: Path) -> Iterator[None]:
    command = [sys.executable, "-c", LOCK, str(small / database.SQLITE_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield
        other.communicate()


@contextmanager
def full(small: Path) -> Iterator[None]:
    filler = small / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def unsynced(small: Path) -> Iterator[None]:
    """Every sync of the database's files fails."""
    files = [item for suffix in ("", "-wal") for item in ("-P", str(small / f"{database.SQLITE_FILE}{suffix}"))]
    inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
    command = ["strace", "-f", "-o", str(small.parent / "trace"), *files, *inject, "-p", str(os.getpid())]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        yield
        strace.terminate()


WAYS = {"locked": locked, "full": full, "sync": unsynced}


def persisted(worker: Worker) -> float:
    """Our own metric."""
    families = {family.name: family for family in StatusCollector(worker.status).collect()}
    return float(families["halo_ops_alerts_persisted"].samples[0].value)


def push(stores: OpenStores, number: int) -> int:
    """The answer to Alertmanager."""
    api = AlertApi(SecretStr(TOKEN), lambda: stores.state, clock=lambda: datetime.now(UTC), tally=Tally())
    app = Starlette(routes=[Mount("/api", routes=list(api.routes()))])
    body = delivery(alert("Pushed", n=str(number)))
    return TestClient(app).post("/api/alertmanager", json=body, headers=HEADERS).status_code


def rows(stores: OpenStores, name: str) -> list[tuple[str, str, str]]:
    with stores.state.reading() as session:
        return [
            (row.labels.get("n", ""), row.state, row.fired_at.isoformat() if row.fired_at else "")
            for row in session.scalars(select(AlertRow).where(AlertRow.name == name))
        ]


def healthy(stores: OpenStores) -> bool:
    """Whether the rule has data."""
    with stores.state.reading() as session:
        asked = select(RuleStateRow.health).where(RuleStateRow.name == "QueueBacklog")
        return session.scalar(asked) == "ok"


def main(way: str, folder: Path) -> dict[str, Any]:
    data, small = folder / "data", folder / "small"
    data.mkdir()
    small.mkdir()
    if way == "full":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(small)], check=True)
    (data / database.SQLITE_FILE).symlink_to(small / database.SQLITE_FILE)  # the other stores are not to fail
    (folder / "rules.yml").write_text(RULES, encoding="utf-8")
    with FaultServer() as service:
        service.says("/metrics", faults.answer(b'queue_size{queue_name="leads"} 7\n'))
        service.says("/hook", faults.answer(b"ok", content_type="text/plain"))
        settings = Settings(
            data_dir=data, scrape_targets=(service.url("/metrics"),), scrape_interval_s=1, rules_file=folder / "rules.yml",
            SLACK_WEBHOOK_URL=service.url("/hook"), alert_private_hosts=service.instance, _env_file=None,
        )  # type: ignore[call-arg]  # fmt: skip
        stores = open_stores(settings)
        worker = Worker(settings, stores)
        worker.start()
        alerting = lambda: worker.status().alerting  # noqa: E731
        until(lambda: healthy(stores) and push(stores, 0) == 200, "a good beginning")
        began = time.monotonic()
        with WAYS[way](small):
            service.says("/metrics", faults.answer(b'queue_size{queue_name="leads"} 4321\n'))
            until(lambda: alerting().not_kept_since and alerting().firing == 1, "fires in memory")
            said = {
                "why": alerting().not_kept_why, "metric": persisted(worker), "pushed": push(stores, 1),
                "hooks": len(service.seen("/hook")), "verdict": worker.status().as_json()["status"],
            }  # fmt: skip
            first_eval = alerting().last_eval
            until(lambda: alerting().last_eval > first_eval, "evaluates on")
            fired_by = datetime.now(UTC).isoformat()
        failed_s, healed = time.monotonic() - began, time.monotonic()
        until(lambda: rows(stores, "QueueBacklog"), "kept")
        until(lambda: any("QueueBacklog" in hook.body.decode() for hook in service.seen("/hook")), "told")
        recovered_s = time.monotonic() - healed
        until(lambda: alerting().not_kept_since is None and persisted(worker) == 1, "says so no more")
        again = push(stores, 1)
        until(lambda: not stuck(worker), "every loop goes on")
        with stores.state.reading() as session:
            told = select(StoryRow.kind).join(AlertRow, AlertRow.id == StoryRow.alert_id).where(StoryRow.channel == "")
            kinds = list(session.scalars(told.where(AlertRow.name.in_(["QueueBacklog", "Pushed"]))))
        found = {
            **said, "failed_s": failed_s, "recovered_s": recovered_s, "again": again, "kinds": kinds, "fired_by": fired_by,
            "rows": rows(stores, "QueueBacklog"), "pushed_rows": rows(stores, "Pushed"),
            "told": sum("QueueBacklog" in hook.body.decode() for hook in service.seen("/hook")),
        }  # fmt: skip
        worker.stop()
        stores.close()
    return found


def stuck(worker: Worker) -> bool:
    return any(task.error for task in worker.status().tasks)


if __name__ == "__main__":
    database.LOCK_WAIT_S = 3
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
