"""Deliveries as Alertmanager makes them, and a server with the alert API over a state database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from lib.alerts.api import AlertApi, Dispatch, Tally
from lib.alerts.tables import AlertRow
from lib.doorkeeper import Pace
from lib.state.database import State

TOKEN = "t" * 24
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
OPEN = "0001-01-01T00:00:00Z"


def at(minutes: float) -> datetime:
    """So many minutes after START."""
    return START + timedelta(minutes=minutes)


def alert(
    name: str = "QueueBacklog",
    start: float = 0,
    end: float | None = None,
    *,
    annotations: dict[str, str] | None = None,
    **labels: str,
) -> dict[str, Any]:
    """One alert of a delivery; `start` and `end` in minutes after START, `end` None: it fires."""
    return {
        "status": "firing" if end is None else "resolved",
        "labels": {"alertname": name, "severity": "warning", **labels},
        "annotations": annotations or {"summary": "too many wait"},
        "startsAt": at(start).isoformat(),
        "endsAt": OPEN if end is None else at(end).isoformat(),
        "generatorURL": "http://prometheus/graph", "fingerprint": "0011223344556677",
    }  # fmt: skip


def delivery(*alerts: dict[str, Any], truncated: int = 0) -> dict[str, Any]:
    """A webhook body, version 4."""
    firing = any(one["status"] == "firing" for one in alerts)
    return {
        "version": "4", "groupKey": "{}:{alertname=\"QueueBacklog\"}", "truncatedAlerts": truncated, "receiver": "halo-ops",
        "status": "firing" if firing else "resolved", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "alerts": list(alerts),
    }  # fmt: skip


def client(
    state: State | None, *, token: str = TOKEN, clock: Callable[[], datetime] = lambda: START,
    dispatch: Dispatch | None = None, per_minute: int = 1_000_000, tally: Tally | None = None,
) -> TestClient:  # fmt: skip
    """A client of a server with the API and nothing else."""
    api = AlertApi(
        SecretStr(token), lambda: state, dispatch, clock=clock, pace=Pace(per_minute), tally=tally or Tally()
    )
    app = Starlette(routes=[Mount("/api", routes=list(api.routes()))])
    return TestClient(app, base_url="http://localhost:8501", raise_server_exceptions=False)


def rows(state: State) -> list[dict[str, Any]]:
    """What is kept, by start, as plain values."""
    with state.reading() as session:
        found: Sequence[AlertRow] = session.scalars(select(AlertRow).order_by(AlertRow.active_at, AlertRow.name)).all()
        return [{column.name: getattr(row, column.name) for column in AlertRow.__table__.columns} for row in found]
