"""A notice as the outbox keeps it: plain JSON, there and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from lib.alerts.model import Alert, AlertState, Kind, Links, Measure, Notice, Origin

_TIMES = ("active_at", "fired_at", "keep_since", "resolved_at", "last_seen")


def to_json(notice: Notice) -> dict[str, Any]:
    """Plain values only; no NaN, which not every database takes."""
    return {
        "key": notice.key, "group": dict(notice.group), "kind": notice.kind.value, "at": notice.at.isoformat(),
        "firing": [_alert(alert) for alert in notice.firing], "resolved": [_alert(alert) for alert in notice.resolved],
        "firing_total": notice.firing_total, "resolved_total": notice.resolved_total, "suppressed": notice.suppressed,
        "links": asdict(notice.links), "test": notice.test, "groups": notice.groups,
        "measures": {
            name: {**asdict(measure), "limit": _number(measure.limit)} for name, measure in notice.measures.items()
        },
    }  # fmt: skip


def from_json(kept: Mapping[str, Any]) -> Notice:
    """What `to_json` made."""
    return Notice(
        key=kept["key"], group=kept["group"], kind=Kind(kept["kind"]), at=datetime.fromisoformat(kept["at"]),
        firing=tuple(map(_told, kept["firing"])), resolved=tuple(map(_told, kept["resolved"])),
        firing_total=kept["firing_total"], resolved_total=kept["resolved_total"], suppressed=kept["suppressed"],
        links=Links(**kept["links"]), test=kept["test"], groups=kept["groups"],
        measures={
            name: Measure(one["unit"], one["factor"], one["operator"], _float(one["limit"]))
            for name, one in kept["measures"].items()
        },
    )  # fmt: skip


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "origin": alert.origin.value, "labels": dict(alert.labels), "state": alert.state.value,
        "annotations": dict(alert.annotations), "value": _number(alert.value), "resolved_why": alert.resolved_why,
        "id": alert.id,
        **{name: moment.isoformat() if (moment := getattr(alert, name)) else None for name in _TIMES},
    }  # fmt: skip


def _told(kept: Mapping[str, Any]) -> Alert:
    times: dict[str, Any] = {name: datetime.fromisoformat(kept[name]) if kept[name] else None for name in _TIMES}
    active_at = times.pop("active_at")
    assert active_at is not None, "an alert has begun at some time"
    return Alert(
        origin=Origin(kept["origin"]), labels=kept["labels"], state=AlertState(kept["state"]), active_at=active_at,
        annotations=kept["annotations"], value=_float(kept["value"]), resolved_why=kept["resolved_why"], id=kept["id"],
        **times,
    )  # fmt: skip


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _float(value: float | str | None) -> float | None:
    return None if value is None else float(value)
