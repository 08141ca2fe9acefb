"""What fired in a window, and what that says: how often, how fast it was taken up and ended, who talks most, what was noise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import or_, select

from lib.alerts.book import SOURCE, is_test, rows_of
from lib.alerts.drills import of_a_drill
from lib.alerts.tables import AlertRow
from lib.state.database import State
from lib.window import Window

MOST_EPISODES = 20_000
TOP = 10
NOISE = "noise"
USEFUL = "useful"
_COLUMNS = tuple(c for c in AlertRow.__table__.columns if c.name not in ("annotations", "missed", "ends_at", "rule"))


def history(state: State, window: Window) -> pd.DataFrame:
    """Episodes that fired at some time of the window, newest first, at most MOST_EPISODES, tests and drills left out.

    Columns as AlertRow has them, and `ack_s` (from firing to acknowledged) and `resolve_s` (from firing to resolved) in
    seconds, NaN where it did not happen. Raises SourceError.
    """
    query = select(*_COLUMNS).where(
        AlertRow.fired_at < window.end,
        or_(AlertRow.resolved_at.is_(None), AlertRow.resolved_at >= window.start),
        or_(AlertRow.resolved_at.is_(None), AlertRow.resolved_at > AlertRow.fired_at),  # else a part of another's
    )
    found = rows_of(state, query.order_by(AlertRow.fired_at.desc(), AlertRow.id.desc()).limit(MOST_EPISODES), _COLUMNS)
    with state.reading(SOURCE) as session:
        drilled = of_a_drill(session, found)
    tests = found["labels"].map(is_test).astype(bool)
    real = found[~tests & ~drilled].reset_index(drop=True)
    waited = {"ack_s": real["acked_at"] - real["fired_at"], "resolve_s": real["resolved_at"] - real["fired_at"]}
    return real.assign(**{name: length.dt.total_seconds() for name, length in waited.items()})


def totals(found: pd.DataFrame, window: Window) -> dict[str, float | int | None]:
    """The history in figures: `fired` in the window, `open` of them, median `ack_s` and `resolve_s`, `acked` and `noise`
    as shares of what fired. None where there is nothing to say it of."""
    fired = found[found["fired_at"] >= window.start]
    count = len(fired)
    return {
        "fired": count,
        "open": int(fired["resolved_at"].isna().sum()),
        "ack_s": _median(fired["ack_s"]),
        "resolve_s": _median(fired["resolve_s"]),
        "acked": int(fired["acked_at"].notna().sum()) / count if count else None,
        "noise": noise_share(fired),
        "judged": int((fired["noise"] != "").sum()),
    }


def noise_share(found: pd.DataFrame) -> float | None:
    """Of the episodes that somebody judged, the share called noise; None while nobody judged one."""
    judged = found[found["noise"] != ""]
    return float((judged["noise"] == NOISE).mean()) if len(judged) else None


def by_rule(found: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The same per rule, most often fired first: `name`, `severity`, `fired`, `alerts` (different ones), `ack_s`,
    `resolve_s` (medians), `firing_s` (in all, within the window), `noise` (a share of those judged, NaN for none)."""
    fired = found[found["fired_at"] >= window.start].assign(firing_s=lambda f: _firing_s(f, window.end))
    rows: list[dict[str, Any]] = [
        {
            "name": name, "severity": severity, "fired": len(part), "alerts": part["fingerprint"].nunique(),
            "ack_s": _median(part["ack_s"]), "resolve_s": _median(part["resolve_s"]),
            "firing_s": float(part["firing_s"].sum()), "noise": noise_share(part),
        }
        for (name, severity), part in fired.groupby(["name", "severity"], sort=False)
    ]  # fmt: skip
    columns = ["name", "severity", "fired", "alerts", "ack_s", "resolve_s", "firing_s", "noise"]
    frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[4:], "float64"))
    return frame.sort_values(["fired", "name"], ascending=[False, True], ignore_index=True)


def top_talkers(found: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The TOP alerts that fired most often: `fingerprint`, `name`, `severity`, `labels`, `origin`, `fired`, `newest`."""
    fired = found[found["fired_at"] >= window.start]
    grouped = fired.groupby("fingerprint", sort=False)
    most = grouped.agg(
        name=("name", "first"), severity=("severity", "first"), labels=("labels", "first"), origin=("origin", "first"),
        fired=("id", "size"), newest=("fired_at", "max"),
    )  # fmt: skip
    return most.sort_values(["fired", "newest"], ascending=False).head(TOP).reset_index()


def _firing_s(found: pd.DataFrame, end: datetime) -> pd.Series[float]:
    last = pd.Timestamp(end)
    until = found["resolved_at"].fillna(last)
    seconds: pd.Series[float] = (until.where(until <= last, last) - found["fired_at"]).dt.total_seconds()
    return seconds.clip(lower=0.0)


def _median(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None
