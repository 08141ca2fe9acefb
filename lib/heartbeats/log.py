"""What is kept of heartbeats, in the state database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pandas as pd
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from lib.heartbeats.expected import Expected, Heartbeat, standing
from lib.heartbeats.tables import HeartbeatEventRow, HeartbeatRow
from lib.redact import redact_text
from lib.state.database import State

SOURCE = "heartbeats"
LONGEST_MESSAGE = 500
_Row = HeartbeatRow | HeartbeatEventRow


@dataclass(frozen=True, slots=True)
class Beat:
    """What one heartbeat says of itself, all of it optional."""

    size_bytes: float | None = None
    duration_s: float | None = None
    message: str = ""


class HeartbeatLog:
    """Every method raises SourceError where the state database does not answer."""

    name = SOURCE

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, name: str, at: datetime, beat: Beat) -> None:
        """Keeps a heartbeat; one that is dated before the last kept is only added to the history."""
        told = {
            "size_bytes": beat.size_bytes, "duration_s": beat.duration_s,
            "message": redact_text(beat.message)[0][:LONGEST_MESSAGE],
        }  # fmt: skip
        with self._state.writing(SOURCE) as session:
            session.add(HeartbeatEventRow(name=name, at=at, **told))
            last = session.get(HeartbeatRow, name, with_for_update=True)
            if last is None or last.at <= at:
                session.merge(HeartbeatRow(name=name, at=at, **told))

    def standing(self, expected: Sequence[Expected], now: datetime) -> tuple[Heartbeat, ...]:
        """How each expected one stands, or stood at an earlier moment, in their order."""
        with self._state.reading(SOURCE) as session:
            rows: dict[str, _Row | None] = {row.name: row for row in session.scalars(select(HeartbeatRow))}
            for name in [name for name, row in rows.items() if row is not None and row.at > now]:
                rows[name] = _before(session, name, now)
            return tuple(_heartbeat(one, rows.get(one.name), now) for one in expected)

    def history(self, name: str = "", limit: int = 200) -> pd.DataFrame:
        """The newest heartbeats, of one name where given, newest first: `name`, `at` (UTC), `size_bytes`, `duration_s`
        (NaN = not told), `message`. None: no rows, same columns."""
        query = select(HeartbeatEventRow).order_by(HeartbeatEventRow.at.desc(), HeartbeatEventRow.id.desc())
        if name:
            query = query.where(HeartbeatEventRow.name == name)
        columns = ["name", "at", "size_bytes", "duration_s", "message"]
        with self._state.reading(SOURCE) as session:
            rows = [[getattr(row, column) for column in columns] for row in session.scalars(query.limit(limit))]
        frame = pd.DataFrame(rows, columns=columns)
        frame["at"] = pd.DatetimeIndex(pd.to_datetime(frame["at"], utc=True)).as_unit("ns")
        return frame.astype({"name": "str", "message": "str", "size_bytes": "float64", "duration_s": "float64"})

    def retain(self, older_than: datetime) -> int:
        """Drops the history from before `older_than`; the last of each name stays. How many went."""
        with self._state.writing(SOURCE) as session:
            gone = session.execute(delete(HeartbeatEventRow).where(HeartbeatEventRow.at < older_than))
            return cast("CursorResult[Any]", gone).rowcount


def _before(session: Session, name: str, moment: datetime) -> HeartbeatEventRow | None:
    earlier = select(HeartbeatEventRow).where(HeartbeatEventRow.name == name, HeartbeatEventRow.at <= moment)
    return session.scalars(earlier.order_by(HeartbeatEventRow.at.desc()).limit(1)).first()


def _heartbeat(one: Expected, row: _Row | None, now: datetime) -> Heartbeat:
    if row is None:
        return Heartbeat(one, standing(one, None, now))
    return Heartbeat(one, standing(one, row.at, now), row.at, row.size_bytes, row.duration_s, row.message)
