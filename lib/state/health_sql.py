"""The health history in a SQL database."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lib.state.answer import SERVICE, Answer, Reading, Status, read_answer
from lib.state.database import State
from lib.state.debounce import Course, Move, Patience, step
from lib.state.episodes import EpisodeRow, newest
from lib.state.fold import JOIN, Episode, Key, episode, fold, readings_of, uncovered
from lib.window import Window


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check counts as after an observation (not what the one answer said), and its response time in ms or NaN."""

    check: str
    status: Status
    response_ms: float


class SqlHealthLog:
    """The history in the state database. Written by one process, under one lock; every method raises SourceError."""

    name = "health history"

    def __init__(self, state: State, *, failures: int = 3, successes: int = 2, interval_s: float = 15) -> None:
        """`state` stays its owner's to close. A gap of more than three intervals (and ten seconds) is time that nobody watched."""
        self._patience = Patience(failures, successes, timedelta(seconds=max(3 * interval_s, 10)))
        self._lock = threading.Lock()
        self._courses: dict[Key, tuple[Course, int]] = {}
        self._state = state
        with state.reading(self.name) as session:
            for row in session.scalars(newest()):
                self._courses[row.target, row.check_name] = (Course(Status(row.status), row.since, row.until), row.id)

    def observe(
        self,
        target: str,
        at: datetime,
        status_code: int | None,
        body: bytes | str | Mapping[str, Any] | None,
        *,
        error: str = "",
        response_ms: float = math.nan,
    ) -> tuple[Verdict, ...]:
        """Takes in one answer (`status_code` None: none came, `error` says why); what each check counts as now.

        A check changes after N bad or M good readings in a row, from the first of them on.
        """
        answer = read_answer(status_code, body, error, response_ms)
        with self._lock:
            moved: dict[Key, tuple[Course, EpisodeRow]] = {}
            with self._state.writing(self.name) as session:
                for reading in (*answer.readings, *self._unheard(target, at, answer)):
                    moved[target, reading.check] = self._take(session, target, reading, at, answer)
                session.flush()
                courses = {key: (course, row.id) for key, (course, row) in moved.items()}
            self._courses |= courses
        times = {reading.check: reading.response_ms for reading in answer.readings}
        return tuple(Verdict(key[1], c.status, times.get(key[1], math.nan)) for key, (c, _) in courses.items())

    def _unheard(self, target: str, at: datetime, answer: Answer) -> list[Reading]:
        """Checks that were being watched, when the answer could not be read: nobody knows how they are."""
        service = answer.readings[0]
        if len(answer.readings) > 1 or service.status is Status.HEALTHY:
            return []
        watched = [
            check
            for (owner, check), (course, _) in self._courses.items()
            if owner == target and check != SERVICE and at - course.seen <= self._patience.gap
        ]
        return [Reading(check, Status.UNKNOWN, service.reason) for check in watched]

    def _take(
        self, session: Session, target: str, reading: Reading, at: datetime, answer: Answer
    ) -> tuple[Course, EpisodeRow]:
        before, row_id = self._courses.get((target, reading.check), (None, None))
        at = max(at, before.seen) if before else at  # a clock that was set back must not turn history over
        course, move = step(before, reading.status, at, self._patience)
        said = replace(episode(reading, at, answer.version, answer.uptime_s), status=course.status, since=course.since)
        row = session.get(EpisodeRow, row_id) if row_id is not None else None
        if row is None or move in (Move.OPEN, Move.TURN):
            if row is not None and move is Move.TURN:
                row.until = course.since
            row = EpisodeRow(target=target, check_name=reading.check).take(said)
            session.add(row)
        elif move is Move.RELABEL or reading.status is course.status:
            row.take(said)
        row.until = at
        return course, row

    def import_observations(self, observations: Iterable[Mapping[str, Any]]) -> int:
        """Takes in a past: each {target, ts (ISO 8601), status_code, body[, error, response_ms]}; how many were taken.

        In any order and more than once: what is known already wins. Each observation stands for itself (they are
        minutes apart, so nothing waits for N in a row). One without a target or a time is left out.
        """
        found, taken = readings_of(observations)
        with self._lock, self._state.writing(self.name) as session:
            for key, items in found.items():
                self._merge(session, key, fold(items))
            self._rebase(session)
        return taken

    def _rebase(self, session: Session) -> None:
        """An import may have made the newest episodes begin earlier, or be newer than what was seen live."""
        session.flush()
        for row in session.scalars(newest()):
            key = (row.target, row.check_name)
            course, _ = self._courses.get(key, (None, 0))
            if course is None or row.until > course.seen:
                course = Course(Status(row.status), row.since, row.until)
            self._courses[key] = (replace(course, since=row.since), row.id)

    def _merge(self, session: Session, key: Key, fresh: Sequence[Episode]) -> None:
        """Fits `fresh` between the known episodes of a check."""
        start, end = fresh[0].since - JOIN, fresh[-1].until + JOIN
        query = select(EpisodeRow).where(EpisodeRow.target == key[0], EpisodeRow.check_name == key[1])
        rows = session.scalars(query.where(EpisodeRow.until >= start, EpisodeRow.since <= end)).all()
        known = [row.told() for row in rows]
        by_id = {row.id: row for row in rows}
        merged = fold([*known, *uncovered(fresh, known)])
        for item in merged:
            row = by_id.pop(item.row) if item.row is not None else EpisodeRow(target=key[0], check_name=key[1])
            session.add(row.take(item))
        for row in by_id.values():
            session.delete(row)

    def retain(self, older_than: datetime) -> int:
        """Drops the episodes that ended before `older_than`; how many."""
        with self._lock, self._state.writing(self.name) as session:
            doomed = session.scalars(select(EpisodeRow.id).where(EpisodeRow.until < older_than)).all()
            session.execute(delete(EpisodeRow).where(EpisodeRow.id.in_(doomed)))
            gone = set(doomed)
        self._courses = {key: value for key, value in self._courses.items() if value[1] not in gone}
        return len(gone)

    def now(self) -> pd.DataFrame:
        """See HealthLog."""
        with self._state.reading(self.name) as session:
            rows = session.scalars(newest().order_by(EpisodeRow.target, EpisodeRow.check_name)).all()
            told = [((row.target, row.check_name), row.told()) for row in rows]
        frame = _frame(told, until="last_seen")
        frame["response_ms"] = np.array([item.response_ms for _, item in told], dtype=np.float64)
        frame["version"] = pd.array([item.version for _, item in told], dtype="str")
        frame["uptime_s"] = np.array([item.uptime_s for _, item in told], dtype=np.float64)
        frame["detail"] = pd.array([item.detail for _, item in told], dtype="str")
        return frame

    def episodes(self, window: Window) -> pd.DataFrame:
        """See HealthLog."""
        query = select(EpisodeRow).where(EpisodeRow.until >= window.start, EpisodeRow.since < window.end)
        with self._state.reading(self.name) as session:
            rows = session.scalars(query.order_by(EpisodeRow.since, EpisodeRow.until, EpisodeRow.id)).all()
            return _frame([((row.target, row.check_name), row.told()) for row in rows], until="until")


def _frame(told: Sequence[tuple[Key, Episode]], until: str) -> pd.DataFrame:
    text = {
        "target": [key[0] for key, _ in told],
        "check": [key[1] for key, _ in told],
        "status": [item.status.value for _, item in told],
        "reason": [item.reason for _, item in told],
    }
    frame = pd.DataFrame({name: pd.array(values, dtype="str") for name, values in text.items()})
    frame["since"] = _times([item.since for _, item in told])
    frame[until] = _times([item.until for _, item in told])
    return frame


def _times(moments: Sequence[datetime]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(list(moments), utc=True)).as_unit("ns")
